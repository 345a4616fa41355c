import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killRecoveriesAndJudge } from '../support/kills/recovery-run.js';
import { seedOfRun } from '../support/random.js';

/** `scripts/torture recovery` kills at each. */
const STOPS = 3;

test('a recovery killed at any of its steps, also several in a row, leaves all for the next one', async (t) => {
  const counts = await killRecoveriesAndJudge(seedOfRun(t), STOPS);
  t.diagnostic(JSON.stringify(counts));
  assert.ok(counts.kills >= STOPS);
});
