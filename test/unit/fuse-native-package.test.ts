import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CairnError } from '../../src/core/errors.js';
import { loadFuseNative } from '../../src/fuse/fuse-native/package.js';

/** The one line it is refused with. */
function refusal(load: (name: string) => unknown): string {
  try {
    loadFuseNative(load);
  } catch (error) {
    assert.ok(error instanceof CairnError);
    assert.equal(error.kind, 'unsupported');
    assert.doesNotMatch(error.message, /\n/);
    return error.message;
  }
  throw new Error('it was taken');
}

const failing = (message: string, code: string) => () => {
  throw Object.assign(new Error(message), { code });
};

test('the package as published is refused, and so is another version of our patch', () => {
  assert.match(
    refusal(() => class {}),
    /is not patched: .* run "npm run build:fuse-native"/,
  );
  assert.match(
    refusal(() => ({ cairnPatch: 999 })),
    /is not patched/,
  );
});

test('what is patched is taken', () => {
  const patched = { cairnPatch: 1 };
  assert.equal(
    loadFuseNative((name) => {
      assert.equal(name, 'fuse-native');
      return patched;
    }),
    patched,
  );
});

test('a missing package and a library that does not load are told apart', () => {
  const missing = failing("Cannot find module 'fuse-native'\nRequire stack:\n- x", 'MODULE_NOT_FOUND');
  assert.match(refusal(missing), /is not installed; run scripts\/setup, or mount with --transport native/);
  const library = failing('libfuse.so.2: cannot open shared object file', 'ERR_DLOPEN_FAILED');
  assert.match(refusal(library), /does not load \(libfuse\.so\.2: cannot open shared object file\)/);
});
