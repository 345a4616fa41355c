import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killAndJudge } from '../support/kills/kill-run.js';
import { seedOfRun } from '../support/random.js';

/** `scripts/torture kills` makes more. */
const KILLS = 25;

test('a daemon killed at any step under load loses nothing that was acknowledged', {
  skip: process.getuid?.() === 0 ? false : 'needs root',
}, async (t) => {
  const places = new Set<string>();
  const counts = await killAndJudge(seedOfRun(t), KILLS, (failpoint) => places.add(failpoint));
  t.diagnostic(`${JSON.stringify(counts)} at ${[...places].join(' ')}`);
  assert.ok(places.size > 5, `only at ${[...places].join(' ')}`);
});
