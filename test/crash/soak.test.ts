import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedOfRun } from '../support/random.js';
import { soakAndJudge } from '../support/soak/soak-and-judge.js';

/** `scripts/torture soak` goes on for longer. */
const SECONDS = 120;

test('writers, snapshots, forgetting, pruning, collections, scrubs and kills at once lose nothing', async (t) => {
  const counts = await soakAndJudge(seedOfRun(t), SECONDS);
  t.diagnostic(JSON.stringify(counts));
  assert.ok(counts.snapshots > 2 && counts.collections > 2 && counts.kills > 2, JSON.stringify(counts));
});
