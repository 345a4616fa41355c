import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCommand } from '../support/commands.js';
import { cutAndJudge } from '../support/power-cut/cut-run.js';
import { seedOfRun } from '../support/random.js';

/** `scripts/torture power-cut` makes more. */
const CUTS = 10;

function whyNot(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  return hasCommand('mkfs.xfs') ? false : 'needs xfsprogs';
}

test('a power cut takes nothing that was promised and leaves nothing broken', { skip: whyNot() }, async (t) => {
  const counts = await cutAndJudge(seedOfRun(t), CUTS);
  t.diagnostic(JSON.stringify(counts));
  assert.ok(counts.cuts > 0, 'a cut that lacks something');
});
