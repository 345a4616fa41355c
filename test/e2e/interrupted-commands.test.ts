import { test } from 'node:test';
import { InterruptedStore } from '../support/interrupted-commands.js';
import { withStore } from '../support/mounted-store.js';
import { Random, seedOfRun } from '../support/random.js';

const COMMANDS = 6;

test('Ctrl-C ends every long command at any point without harm, mounted or not', async (t) => {
  const random = new Random(seedOfRun(t));
  await withStore(async (store) => {
    const interrupted = new InterruptedStore(store, random);
    interrupted.fill();
    for (let n = 0; n < COMMANDS; n++) await interrupted.interruptOne();
    await store.umount();
    for (let n = 0; n < COMMANDS; n++) await interrupted.interruptOne();
    await store.mount();
    interrupted.assertWhole();
    t.diagnostic(JSON.stringify(interrupted.counts));
  });
});
