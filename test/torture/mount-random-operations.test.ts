import { test } from 'node:test';
import { withStore } from '../support/mounted-store.js';
import { seedOfRun } from '../support/random.js';
import { countOf, operateOnMount } from '../support/random-operations.js';
import { recordFigures, tortureSeconds } from '../support/torture-figures.js';

const AMOUNT = { batches: 10, operations: 5000 };

test('random operations do to the mount what they do to a plain folder', async (t) => {
  const first = seedOfRun(t);
  const end = performance.now() + tortureSeconds(30) * 1000;
  let seed = first;
  await withStore(async (store) => {
    for (; performance.now() < end; seed += AMOUNT.batches) await operateOnMount(store, seed, AMOUNT);
  });
  const runs = (seed - first) / AMOUNT.batches;
  recordFigures('mount-random-operations', first, { runs, operations: runs * countOf(AMOUNT) });
});
