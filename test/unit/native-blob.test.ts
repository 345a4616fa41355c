import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';
import { BLOB_HEADER_BYTES, decodeBlob, decodeBlobSync, encodeBlob, encodeBlobSync } from '../../src/native/blob.js';
import { crc32 } from '../../src/native/hash.js';

const ZSTD_MAGIC = '31b958426fb6a37f';
const PLAIN_MAGIC = '42ab3807be8370a1';
const MAX_PLAIN_BYTES = 1 << 20;

function encoded(plain: Uint8Array, level: number): Buffer {
  const out = Buffer.alloc(plain.length + BLOB_HEADER_BYTES);
  return out.subarray(0, encodeBlobSync(plain, out, level));
}

/** A blob with the given magic and payload and a right CRC32. */
function blobOf(magic: string, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(BLOB_HEADER_BYTES);
  header.write(magic, 'hex');
  header.writeUInt32LE(crc32(payload), 8);
  return Buffer.concat([header, payload]);
}

function blockHeader(last: boolean, type: 'raw' | 'run', size: number): Buffer {
  const header = Buffer.alloc(3);
  header.writeUIntLE((last ? 1 : 0) | (type === 'raw' ? 0 : 2) | (size << 3), 0, 3);
  return header;
}

/** A zstd frame (RFC 8878) of one raw block; its content size is left out unless one, right or wrong, is given. */
function rawFrame(plain: Uint8Array, statedBytes?: number): Buffer {
  const head = Buffer.from(statedBytes === undefined ? '28b52ffd0058' : '28b52ffda000000000', 'hex');
  if (statedBytes !== undefined) head.writeUInt32LE(statedBytes, 5);
  return Buffer.concat([head, blockHeader(true, 'raw', plain.length), plain]);
}

/** A frame without content size that unpacks to `blocks` times 128 KiB of one byte. */
function runFrame(blocks: number): Buffer {
  const parts: Buffer[] = [Buffer.from('28b52ffd0058', 'hex')];
  for (let block = 1; block <= blocks; block++) {
    parts.push(blockHeader(block === blocks, 'run', 128 << 10), Buffer.of(7));
  }
  return Buffer.concat(parts);
}

function assertKind(kind: ErrorKind): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CairnError, String(error));
    assert.equal(error.kind, kind);
    return true;
  };
}

test('a blob too small to shrink is stored plain (pbs-format A.1)', () => {
  assert.equal(encoded(Buffer.from('hello\n'), 1).toString('hex'), '42ab3807be8370a120303a3668656c6c6f0a');
  assert.equal(encoded(Buffer.alloc(0), 1).toString('hex'), '42ab3807be8370a100000000');
});

test('zstd is used where it shrinks, not at level 0, not on noise', () => {
  const zeros = Buffer.alloc(200_000);
  assert.equal(encoded(zeros, 1).toString('hex', 0, 8), ZSTD_MAGIC);
  assert.ok(encoded(zeros, 1).length < 1000);
  assert.equal(encoded(zeros, 0).toString('hex', 0, 8), PLAIN_MAGIC);
  const noise = randomBytes(200_000);
  assert.equal(encoded(noise, 1).toString('hex', 0, 8), PLAIN_MAGIC);
  assert.equal(encoded(noise, 1).length, noise.length + BLOB_HEADER_BYTES);
});

test('what is encoded decodes to the same bytes', async () => {
  const runs = fc.array(fc.record({ byte: fc.nat(255), length: fc.nat(5000) }), { maxLength: 40 });
  const compressible = runs.map((list) => Buffer.concat(list.map(({ byte, length }) => Buffer.alloc(length, byte))));
  const plains = fc.oneof(compressible, fc.uint8Array({ maxLength: 5000 }));
  await fc.assert(
    fc.asyncProperty(plains, fc.integer({ min: -3, max: 6 }), fc.nat(64), async (plain, level, spare) => {
      const out = Buffer.alloc(plain.length + BLOB_HEADER_BYTES + spare);
      const blob = out.subarray(0, await encodeBlob(plain, out, level));
      assert.ok(blob.length <= plain.length + BLOB_HEADER_BYTES);
      assert.deepEqual(encoded(plain, level), blob);
      assert.ok(Buffer.from(plain).equals(await decodeBlob(blob, plain.length)));
      assert.ok(Buffer.from(plain).equals(decodeBlobSync(blob, MAX_PLAIN_BYTES)));
    }),
  );
});

test('any byte changed and any byte missing is corrupt', () => {
  const plain = Buffer.from('abcabcabcabc'.repeat(300));
  for (const level of [0, 1]) {
    const blob = encoded(plain, level);
    for (let at = 0; at < blob.length; at += at < 64 ? 1 : 61) {
      const changed = Buffer.from(blob);
      changed[at] = (changed[at] as number) ^ 0x10;
      assert.throws(() => decodeBlobSync(changed, MAX_PLAIN_BYTES), assertKind('corrupt'), `byte ${at}`);
      assert.throws(() => decodeBlobSync(blob.subarray(0, at), MAX_PLAIN_BYTES), assertKind('corrupt'), `length ${at}`);
    }
  }
});

test('frames without content size and several frames are read', async () => {
  const one = randomBytes(3000);
  const two = randomBytes(100_000);
  const payloads: [Buffer, Buffer][] = [
    [rawFrame(one), one],
    [rawFrame(one, one.length), one],
    [Buffer.concat([rawFrame(one), rawFrame(two)]), Buffer.concat([one, two])],
    [Buffer.concat([rawFrame(one, one.length), rawFrame(two)]), Buffer.concat([one, two])],
    [runFrame(5), Buffer.alloc(5 * (128 << 10), 7)],
    [rawFrame(Buffer.alloc(0)), Buffer.alloc(0)],
  ];
  for (const [payload, plain] of payloads) {
    const blob = blobOf(ZSTD_MAGIC, payload);
    assert.ok(plain.equals(await decodeBlob(blob, MAX_PLAIN_BYTES)));
    assert.ok(plain.equals(await decodeBlob(blob, plain.length)));
    if (plain.length > 0) await assert.rejects(decodeBlob(blob, plain.length - 1), assertKind('corrupt'));
  }
});

test('damage that the CRC32 covers up is found in the zstd stream', async () => {
  const plain = randomBytes(1000);
  const whole = rawFrame(plain);
  const payloads = {
    'no stream': Buffer.alloc(0),
    'not a stream': Buffer.from('hello, this is no zstd'),
    'cut off': whole.subarray(0, -1),
    'cut off in the second frame': Buffer.concat([whole, whole.subarray(0, 40)]),
    'bytes after the frame': Buffer.concat([whole, Buffer.from('more')]),
    'too small a size stated': rawFrame(plain, 999),
    'too large a size stated': rawFrame(plain, 1001),
    'an enormous size stated': rawFrame(plain, 0xfffffff0),
    'more than allowed': runFrame(9),
  };
  for (const [what, payload] of Object.entries(payloads)) {
    await assert.rejects(decodeBlob(blobOf(ZSTD_MAGIC, payload), MAX_PLAIN_BYTES), assertKind('corrupt'), what);
  }
});

test('an encrypted blob is unsupported, a short one corrupt', () => {
  for (const magic of ['7b6785be222d4cf0', 'e6591bbf0bbfd80b']) {
    assert.throws(() => decodeBlobSync(blobOf(magic, Buffer.alloc(32)), MAX_PLAIN_BYTES), assertKind('unsupported'));
    assert.throws(() => decodeBlobSync(blobOf(magic, Buffer.alloc(31)), MAX_PLAIN_BYTES), assertKind('corrupt'));
  }
});

test('wrong arguments are refused', async () => {
  const plain = Buffer.alloc(10);
  assert.throws(() => encodeBlobSync(plain, Buffer.alloc(21), 1), RangeError);
  assert.throws(() => encodeBlobSync(plain, Buffer.alloc(22), 23), RangeError);
  assert.throws(() => encodeBlobSync(plain, Buffer.alloc(22), 1.5), RangeError);
  assert.throws(() => encodeBlobSync('text' as unknown as Uint8Array, Buffer.alloc(22), 1), TypeError);
  const shared = Buffer.alloc(64);
  assert.throws(() => encodeBlobSync(shared.subarray(0, 10), shared.subarray(9), 1), RangeError);
  await assert.rejects(encodeBlob(plain, Buffer.alloc(21), 1), RangeError);
  await assert.rejects(decodeBlob(plain, -1), RangeError);
});
