import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildManifest, manifestText, parseManifest, withUnprotected } from '../../src/index/manifest.js';
import { verifyOutcomeOf, withVerifyOutcome } from '../../src/index/verify-state.js';

const manifest = buildManifest({
  type: 'host',
  id: 'web1',
  time: 1_700_000_000,
  files: [],
  unprotected: { notes: 'kept' },
});

test('a manifest tells of its last verification as PBS does, and keeps all else', () => {
  const outcome = { state: 'failed', startedAt: 1_763_600_000 } as const;
  const read = parseManifest(manifestText(withVerifyOutcome(manifest, outcome, 77)));
  assert.deepEqual(verifyOutcomeOf(read), outcome);
  assert.equal(read.unprotected.notes, 'kept');
  const { upid, state } = read.unprotected.verify_state as { upid: string; state: string };
  assert.equal(state, 'failed');
  assert.match(upid, /^UPID:[^:]+:[0-9A-F]{8}:[0-9A-F]{8}:0000004D:691E6680:verify::root@pam:$/);
});

test('what is no outcome is none', () => {
  const upid = 'UPID:pbs1:00000D6A:0007C3B1:00000004:691E6680:verificationjob:store1:root@pam:';
  const states = [
    undefined,
    null,
    7,
    [],
    {},
    { state: 'ok' },
    { upid, state: 'good' },
    { upid: 'UPID:x', state: 'ok' },
  ];
  for (const state of states) {
    const unprotected = state === undefined ? {} : { verify_state: state as null };
    assert.equal(verifyOutcomeOf(withUnprotected(manifest, unprotected)), undefined);
  }
  const told = withUnprotected(manifest, { verify_state: { upid, state: 'ok' } });
  assert.deepEqual(verifyOutcomeOf(told), { state: 'ok', startedAt: 1_763_600_000 });
});
