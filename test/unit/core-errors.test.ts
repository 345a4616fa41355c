import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fromSystemError, isOutOfRoom } from '../../src/core/errors.js';
import { ofKind } from '../support/catalog.js';

/** An error as libuv gives it for a number it has no name for. */
function unnamed(number: number): Error {
  const code = `Unknown system error ${number}`;
  return Object.assign(new Error(`${code}: ${code}, write`), { code, errno: number, syscall: 'write' });
}

test('a quota that is used up is told as such, also by Node, which has no name for it', () => {
  const error = fromSystemError(unnamed(-122), 'write chunk a9');
  assert.ok(ofKind('quota-exceeded')(error) && isOutOfRoom(error));
  assert.equal(error.message, 'Cannot write chunk a9: EDQUOT: quota exceeded');
  assert.ok(ofKind('stale')(fromSystemError(unnamed(-116), 'read a file on NFS')));
  assert.ok(ofKind('io')(fromSystemError(unnamed(-74), 'read a file')));
});

test('errors that have a name keep it, and their message', () => {
  try {
    readFileSync('/nowhere/at/all');
    assert.fail('it is there');
  } catch (error) {
    const told = fromSystemError(error, 'read it');
    assert.ok(ofKind('not-found')(told));
    assert.match(told.message, /^Cannot read it: ENOENT: no such file or directory, open/);
  }
});
