import { test } from 'node:test';
import { InterruptedStore } from '../support/interrupted-commands.js';
import { withStore } from '../support/mounted-store.js';
import { Random, seedOfRun } from '../support/random.js';
import { recordFigures, tortureSeconds } from '../support/torture-figures.js';

const MINUTES = 10;
const COMMANDS_PER_ROUND = 10;

test('Ctrl-C ends every long command at any point without harm, for a long time', async (t) => {
  const seed = seedOfRun(t);
  const random = new Random(seed);
  await withStore(async (store) => {
    const interrupted = new InterruptedStore(store, random);
    interrupted.fill();
    let rounds = 0;
    for (const end = performance.now() + tortureSeconds(MINUTES) * 1000; performance.now() < end; rounds++) {
      for (let n = 0; n < COMMANDS_PER_ROUND; n++) await interrupted.interruptOne();
      await store.umount();
      for (let n = 0; n < COMMANDS_PER_ROUND; n++) await interrupted.interruptOne();
      await store.mount();
      interrupted.assertWhole();
    }
    recordFigures('interrupted-commands', seed, { rounds, ...interrupted.counts });
  });
});
