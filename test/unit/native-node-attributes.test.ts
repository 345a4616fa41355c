import assert from 'node:assert/strict';
import { closeSync, lstatSync, openSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeNode, removeXattr, setTimes, setXattr, xattrNames, xattrValue } from '../../src/native/node-attributes.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const [A, B] = [Buffer.from('user.a'), Buffer.from('user.b')];
const code = (expected: string) => (error: unknown) => (error as NodeJS.ErrnoException).code === expected;

test('times are set to the nanosecond, before 1970 too, on links and open files', (t) => {
  const folder = temporaryFolder(t);
  const [file, link] = [join(folder, 'file'), join(folder, 'link')];
  writeFileSync(file, '');
  symlinkSync('file', link);
  setTimes(link, { sec: -5, nsec: 999_999_999 }, { sec: 4_000_000_000, nsec: 1 });
  const descriptor = openSync(file, 'r');
  setTimes(descriptor, { sec: 1, nsec: 2 }, { sec: -1, nsec: 3 });
  closeSync(descriptor);
  const [ofFile, ofLink] = [lstatSync(file, { bigint: true }), lstatSync(link, { bigint: true })];
  assert.deepEqual([ofLink.atimeNs, ofLink.mtimeNs], [-4_000_000_001n, 4_000_000_000_000_000_001n]);
  assert.deepEqual([ofFile.atimeNs, ofFile.mtimeNs], [1_000_000_002n, -999_999_997n]);
  assert.throws(() => setTimes(join(folder, 'none'), { sec: 0, nsec: 0 }, { sec: 0, nsec: 0 }), code('ENOENT'));
  assert.throws(() => setTimes(file, { sec: 0, nsec: 1e9 }, { sec: 0, nsec: 0 }), RangeError);
});

test('extended attributes are set, listed, read and removed, by path and by descriptor', (t) => {
  const file = join(temporaryFolder(t), 'file');
  writeFileSync(file, '');
  const descriptor = openSync(file, 'r');
  t.after(() => closeSync(descriptor));
  const value = Buffer.from([0, 255, 10]);
  setXattr(file, A, value);
  setXattr(descriptor, B, new Uint8Array(0));
  for (const target of [file, Buffer.from(file), descriptor]) {
    assert.deepEqual(xattrNames(target).sort(Buffer.compare), [A, B]);
    assert.deepEqual([xattrValue(target, A), xattrValue(target, B)], [value, Buffer.alloc(0)]);
  }
  removeXattr(descriptor, A);
  assert.throws(() => xattrValue(file, A), code('ENODATA'));
  removeXattr(file, B);
  assert.deepEqual(xattrNames(file), []);
  assert.throws(() => removeXattr(file, B), code('ENODATA'));
  assert.throws(() => setXattr(file, Buffer.from('user.\0'), value), RangeError);
});

test('FIFOs are made of any mode the umask leaves', (t) => {
  const path = join(temporaryFolder(t), 'pipe');
  makeNode(path, 0o010600, 0, 0);
  assert.ok(lstatSync(path).isFIFO());
  assert.throws(() => makeNode(path, 0o010600, 0, 0), code('EEXIST'));
});
