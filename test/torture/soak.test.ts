import { test } from 'node:test';
import { seedOfRun } from '../support/random.js';
import { soakAndJudge } from '../support/soak/soak-and-judge.js';
import { recordFigures, tortureSeconds } from '../support/torture-figures.js';

test('soak: writers, snapshots, forgetting, pruning, collections, scrubs and kills at once', async (t) => {
  const seed = seedOfRun(t);
  const counts = await soakAndJudge(seed, tortureSeconds(10));
  recordFigures('soak', seed, { ...counts });
});
