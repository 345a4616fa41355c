import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { Draft } from '../../src/native/draft.js';
import { readDescriptor } from '../../src/native/files.js';
import { crc32 } from '../../src/native/hash.js';
import { JournalFile } from '../../src/native/journal-file.js';
import { runNodeProgram } from '../support/node-program.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const FRESH = { create: true, preallocateBytes: 0 };

/** Whether bytes 4…7 hold the CRC32 of all that follows. */
function hasRightChecksum(record: Buffer): boolean {
  return record.readUInt32LE(4) === crc32(record.subarray(8));
}

test('records follow one another, each with its checksum', (t) => {
  const path = join(temporaryFolder(t), 'journal');
  const file = JournalFile.open(path, FRESH);
  let expected = Buffer.alloc(0);
  const bodies = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 });
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 60 }), bodies, (header, parts) => {
      const first = Buffer.from(header.subarray(0, 4));
      const start = file.append(header, parts);
      assert.equal(start, expected.length);
      const record = Buffer.concat([header, ...parts]);
      assert.deepEqual(record.subarray(0, 4), first, 'only bytes 4 to 7 of the header change');
      assert.ok(hasRightChecksum(record));
      expected = Buffer.concat([expected, record]);
      assert.equal(file.size, expected.length);
    }),
  );
  file.close();
  assert.ok(readFileSync(path).equals(expected));
});

test('bytes of drafts are appended from where they lie', async (t) => {
  const path = join(temporaryFolder(t), 'journal');
  const file = JournalFile.open(path, { create: true, preallocateBytes: 1 << 20 });
  const draft = new Draft();
  const bytes = randomBytes(700_000);
  for (let at = 0; at < bytes.length; at += 3000) draft.write(50 + at, bytes.subarray(at, at + 3000));
  const header = Buffer.alloc(16, 9);
  file.append(header, [{ draft, start: 50, end: 60 }]);
  const start = file.append(header, [
    Buffer.from('before'),
    { draft, start: 150, end: 600_000 },
    { draft, start: 70, end: 70 },
    Buffer.from('after'),
  ]);
  assert.equal(start, 26);
  const record = readFileSync(path).subarray(start);
  const body = Buffer.concat([Buffer.from('before'), bytes.subarray(100, 599_950), Buffer.from('after')]);
  assert.ok(hasRightChecksum(record));
  assert.ok(record.subarray(16).equals(body));
  assert.ok((await readDescriptor(file.descriptor, start + 16, 6)).equals(Buffer.from('before')));
  assert.throws(() => file.append(header, [{ draft, start: 40, end: 60 }]), RangeError);
  assert.equal(file.size, start + record.length);
  draft.dispose();
  assert.throws(() => file.append(header, [{ draft, start: 50, end: 60 }]), /closed/);
  file.close();
});

test('more parts than one writev takes are written whole', (t) => {
  const path = join(temporaryFolder(t), 'journal');
  const file = JournalFile.open(path, FRESH);
  const parts = Array.from({ length: 3000 }, (_, at) => Buffer.from(`${at} `));
  file.append(Buffer.alloc(8), parts);
  file.close();
  const record = readFileSync(path);
  assert.ok(record.subarray(8).equals(Buffer.concat(parts)));
  assert.ok(hasRightChecksum(record));
});

test('opening again goes on at the end; room set aside does not count', (t) => {
  const path = join(temporaryFolder(t), 'journal');
  writeFileSync(path, 'old');
  const file = JournalFile.open(path, { create: false, preallocateBytes: 1 << 20 });
  assert.equal(file.size, 3);
  assert.equal(statSync(path).size, 3);
  assert.ok(statSync(path).blocks * 512 >= 1 << 20);
  assert.equal(file.append(Buffer.alloc(8), []), 3);
  file.close();
  assert.equal(statSync(path).size, 11);
});

test('a file that is not there is made only where asked for', (t) => {
  const path = join(temporaryFolder(t), 'journal');
  const absent = { code: 'ENOENT', syscall: 'open', path, errno: -2 };
  assert.throws(() => JournalFile.open(path, { create: false, preallocateBytes: 0 }), absent);
  JournalFile.open(path, FRESH).close();
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('a record that does not fit leaves the file as it was', async (t) => {
  const path = join(temporaryFolder(t), 'journal');
  const doors = new URL('../../src/native/', import.meta.url);
  // A limit on the file's size makes the write fall short first, then fail.
  const end = await runNodeProgram(
    `import { JournalFile } from ${JSON.stringify(new URL('journal-file.js', doors).href)};
     process.on('SIGXFSZ', () => {});
     const file = JournalFile.open(${JSON.stringify(path)}, { create: true, preallocateBytes: 0 });
     file.append(Buffer.alloc(8), [Buffer.alloc(60_000, 1)]);
     try { file.append(Buffer.alloc(8), [Buffer.alloc(3000, 2), Buffer.alloc(60_000, 3)]); }
     catch (error) { console.log(error.code, error.syscall, error.path === ${JSON.stringify(path)}, file.size); }
     console.log(file.append(Buffer.alloc(8), [Buffer.alloc(100, 4)]));
     await file.sync();`,
    ['prlimit', '--fsize=65536'],
  );
  assert.deepEqual(end, { status: 0, signal: null, stdout: 'EFBIG pwritev true 60008\n60008\n', stderr: '' });
  const bytes = readFileSync(path);
  assert.equal(bytes.length, 60_116);
  assert.ok(hasRightChecksum(bytes.subarray(60_008)));
});

test('sync settles; after close everything but close throws', async (t) => {
  const file = JournalFile.open(join(temporaryFolder(t), 'journal'), FRESH);
  file.append(Buffer.alloc(8), [Buffer.from('x')]);
  const syncs = Promise.all([file.sync(), file.sync()]);
  file.close();
  file.close();
  await syncs;
  await assert.rejects(file.sync(), /closed/);
  assert.throws(() => file.size, /closed/);
  assert.throws(() => file.descriptor, /closed/);
  assert.throws(() => file.append(Buffer.alloc(8), []), /closed/);
});

test('wrong arguments are refused', (t) => {
  const path = join(temporaryFolder(t), 'journal');
  assert.throws(() => JournalFile.open('', FRESH), RangeError);
  assert.throws(() => JournalFile.open('a\0b', FRESH), RangeError);
  assert.throws(() => JournalFile.open(path, { create: true, preallocateBytes: -1 }), RangeError);
  const file = JournalFile.open(path, FRESH);
  assert.throws(() => file.append(Buffer.alloc(7), []), RangeError);
  assert.equal(file.size, 0);
  file.close();
});
