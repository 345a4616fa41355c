import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkMachine, checkTransports, type Machine } from '../../src/daemon/transport-checks.js';

const GOOD: Machine = {
  kernelRelease: '6.1.0-18-amd64',
  maySetUpMounts: true,
  whyNotOpen: () => undefined,
  hasProgram: () => true,
  whyNoFuseNative: () => undefined,
};

/** The transports of the machine as `name: reasons`. */
const shown = (machine: Partial<Machine>): string[] =>
  checkTransports({ ...GOOD, ...machine }).map(({ name, available, reasons }) => {
    assert.equal(available, reasons.length === 0);
    return `${name}: ${reasons.join(' | ')}`;
  });

test('where everything is there both transports are available, and every check is well', () => {
  assert.deepEqual(shown({}), ['native: ', 'fuse-native: ']);
  assert.ok(checkMachine(GOOD).every(({ ok }) => ok));
});

test('without the device neither is, and the advice says how to get it', () => {
  for (const line of shown({ whyNotOpen: (path) => (path === '/dev/fuse' ? 'ENOENT' : undefined) })) {
    assert.match(line, /\/dev\/fuse cannot be opened \(ENOENT\): run "modprobe fuse"/);
  }
});

test('who may not mount needs the helper of each', () => {
  const lines = shown({ maySetUpMounts: false, hasProgram: (name) => name === 'fusermount3' });
  assert.equal(lines[0], 'native: ');
  assert.match(lines[1]!, /^fuse-native: fusermount is missing/);
  assert.deepEqual(shown({ maySetUpMounts: true, hasProgram: () => false }), ['native: ', 'fuse-native: ']);
});

test('an old kernel is one that the native transport does not take', () => {
  assert.match(shown({ kernelRelease: '4.17.0' })[0]!, /older than 4\.18/);
  assert.equal(shown({ kernelRelease: '4.18.0-rc1' })[0], 'native: ');
  assert.equal(shown({ kernelRelease: '5.4' })[0], 'native: ');
});

test('a package that is missing or not patched takes away fuse-native alone', () => {
  const lines = shown({ whyNoFuseNative: () => 'is not patched' });
  assert.deepEqual(lines, ['native: ', 'fuse-native: is not patched']);
});
