import { test } from 'node:test';
import { killRecoveriesAndJudge } from '../support/kills/recovery-run.js';
import { seedOfRun } from '../support/random.js';
import { recordFigures } from '../support/torture-figures.js';

test('recoveries killed at each of their steps', async (t) => {
  const seed = seedOfRun(t);
  recordFigures('recovery', seed, { ...(await killRecoveriesAndJudge(seed)) });
});
