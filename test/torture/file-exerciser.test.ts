import { test } from 'node:test';
import { EXERCISES, exerciseMount } from '../support/exercise-files.js';
import { withStore } from '../support/mounted-store.js';
import { seedOfRun } from '../support/random.js';
import { recordFigures, tortureSeconds } from '../support/torture-figures.js';

const ROUNDS = 10;

test('files hold what random operations leave in them', async (t) => {
  const first = seedOfRun(t);
  const end = performance.now() + tortureSeconds(30) * 1000;
  let seed = first;
  await withStore(
    async (store) => {
      for (; performance.now() < end; seed += ROUNDS) await exerciseMount(store, 'host/x', seed, ROUNDS);
    },
    { groups: ['host/x'] },
  );
  const each = EXERCISES.reduce((sum, { operations }) => sum + operations, 0);
  recordFigures('file-exerciser', first, { rounds: seed - first, operations: (seed - first) * each });
});
