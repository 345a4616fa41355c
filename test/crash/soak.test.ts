import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedOfRun } from '../support/random.js';
import { soakAndJudge } from '../support/soak/soak-and-judge.js';

/** `scripts/torture soak` goes on for longer. */
const SECONDS = 120;
const LEAST = 3;

test('writers, snapshots, forgetting, pruning, collections, scrubs and kills at once lose nothing', async (t) => {
  const counts = await soakAndJudge(seedOfRun(t), SECONDS, LEAST);
  t.diagnostic(JSON.stringify(counts));
  assert.ok(Math.min(counts.snapshots, counts.collections, counts.kills) >= LEAST, JSON.stringify(counts));
});
