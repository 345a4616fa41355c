import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { MAX_CHUNK_BYTES } from '../../../src/chunk/limits.js';
import { verifiedPlain } from '../../../src/chunkstore/verified-blob.js';
import type { ChunkIndex } from '../../../src/index/chunk-index.js';
import { checksumFits } from '../../../src/index/chunk-index.js';
import { DynamicIndexBuilder } from '../../../src/index/dynamic-index.js';
import { encodeFixedIndex } from '../../../src/index/fixed-index.js';
import { parseIndex } from '../../../src/index/index-file.js';
import { INDEX_HEADER_BYTES } from '../../../src/index/index-header.js';
import { decodeBlobSync, encodeBlobSync } from '../../../src/native/blob.js';
import { cachedChunk, copyCached, dropCached } from '../../../src/native/chunk-cache.js';
import { decodeIntoCache } from '../../../src/native/chunk-decoding.js';
import { scanChunksSync } from '../../../src/native/chunker.js';
import { crc32, sha256Sync } from '../../../src/native/hash.js';
import type { Random } from '../random.js';
import { damaged, damagedInPlace, edge } from './damage.js';
import type { FuzzTarget } from './run.js';

const BLOB_HEADER_BYTES = 12;
const CRC_AT = 8;

/** Bytes some of which compress. */
function content(random: Random, most = 3000): Buffer {
  const length = random.below(4) === 0 ? random.below(8) : random.below(most);
  const bytes = random.bytes(length);
  if (random.below(2) === 0) bytes.fill(random.below(256), random.below(length + 1));
  return bytes;
}

/** A blob whose payload was changed; repaired, its CRC32 fits. */
function damagedBlob(random: Random): { blob: Buffer; repaired: boolean } {
  const plain = content(random);
  const out = Buffer.alloc(plain.length + BLOB_HEADER_BYTES);
  const whole = out.subarray(0, encodeBlobSync(plain, out, random.pick([0, 1, 1, 3])));
  if (random.below(4) === 0) return { blob: damaged(random, whole), repaired: false };
  const blob = Buffer.concat([
    whole.subarray(0, BLOB_HEADER_BYTES),
    damaged(random, whole.subarray(BLOB_HEADER_BYTES)),
  ]);
  blob.writeUInt32LE(crc32(blob.subarray(BLOB_HEADER_BYTES)), CRC_AT);
  return { blob, repaired: true };
}

/** DataBlobs, as whoever reads a chunk or a manifest decodes them. */
const blobs: FuzzTarget = {
  name: 'blob',
  refusals: ['corrupt', 'unsupported'],
  outerRefusal: /CRC32|magic|too short for a blob/,
  make(random) {
    const { blob, repaired } = damagedBlob(random);
    const most = random.pick([0, 100, 3000, MAX_CHUNK_BYTES]);
    const feed = () => assert.ok(decodeBlobSync(blob, most).length <= most);
    return { repaired, input: blob, feed };
  },
};

/** Chunk files: a digest says what is in them. */
const chunks: FuzzTarget = {
  name: 'chunk',
  refusals: ['corrupt', 'unsupported'],
  outerRefusal: /CRC32|magic|too short for a blob/,
  make(random) {
    const { blob, repaired } = damagedBlob(random);
    const digest = random.below(3) === 0 ? random.bytes(32) : digestOfBlob(blob);
    const stated = random.below(4) === 0 ? Number(edge(random) & 0xffffn) : undefined;
    const feed = async () => {
      const plain = await verifiedPlain(digest, blob);
      await decodeIntoCache({ digest, maxPlainBytes: MAX_CHUNK_BYTES, plainLength: stated }, blob);
      const { length } = plain;
      assert.ok(cachedChunk(digest));
      const at = random.below(length + 1);
      assert.deepEqual(copyCached(digest, at, length - at), plain.subarray(at));
      assert.throws(() => copyCached(digest, at, length - at + 1 + random.below(99)), RangeError);
      dropCached(digest);
    };
    return { repaired, input: blob, feed };
  },
};

/** What the blob decodes to, by its digest; of no account where it does not. */
function digestOfBlob(blob: Buffer): Buffer {
  try {
    return Buffer.from(sha256Sync(decodeBlobSync(blob, MAX_CHUNK_BYTES)));
  } catch {
    return Buffer.alloc(32, 1);
  }
}

/** The chunk cutter: no bytes are refused, and what it cuts is all of them. */
const cuts: FuzzTarget = {
  name: 'cuts',
  refusals: [],
  make(random) {
    const bytes = content(random, 40_000);
    const minBytes = random.between(64, 2000);
    const averageBytes = minBytes + random.below(4000);
    const maxBytes = averageBytes + random.below(9000);
    const cutter =
      random.below(3) === 0
        ? ({ kind: 'fixed', chunkBytes: random.between(1, 9000) } as const)
        : ({ kind: 'dynamic', minBytes, averageBytes, maxBytes } as const);
    const feed = () => {
      let at = 0;
      for (const { length, digest } of scanChunksSync(bytes, cutter, true)) {
        assert.ok(length > 0 && length <= (cutter.kind === 'fixed' ? cutter.chunkBytes : cutter.maxBytes));
        assert.deepEqual(
          Buffer.from(digest),
          createHash('sha256')
            .update(bytes.subarray(at, at + length))
            .digest(),
        );
        at += length;
      }
      assert.equal(at, bytes.length);
    };
    return { repaired: true, input: bytes, feed };
  },
};

/** A whole index file of either kind. */
function wholeIndex(random: Random): Buffer {
  const stamp = { uuid: random.bytes(16), ctime: random.below(2 ** 31) };
  const digest = () => Buffer.concat([Buffer.of(random.between(1, 255)), random.bytes(31)]);
  const count = random.between(1, 12);
  if (random.below(2) === 0) {
    const builder = new DynamicIndexBuilder();
    for (let i = 0; i < count; i += 1) builder.append(digest(), random.between(1, 2 ** 22));
    return builder.finish(stamp).bytes;
  }
  const chunkBytes = 2 ** random.between(0, 22);
  const contentLength = count * chunkBytes - random.below(chunkBytes);
  return encodeFixedIndex(stamp, { contentLength, chunkBytes }, Array.from({ length: count }, digest)).bytes;
}

/** Asks an index for everything it knows. */
function useIndex(index: ChunkIndex, random: Random): void {
  assert.ok(index.count > 0 && index.contentLength > 0);
  for (let i = 0; i < index.count; i += 1) {
    assert.equal(index.digest(i).length, 32);
    assert.ok(index.start(i) < index.end(i) && Number.isSafeInteger(index.end(i)));
    assert.equal(index.chunkAt(index.start(i)), i);
    assert.equal(index.chunkAt(index.end(i) - 1), i);
  }
  assert.equal(index.end(index.count - 1), index.contentLength);
  const offset = Math.floor((random.below(2 ** 32) / 2 ** 32) * index.contentLength);
  const found = index.chunkAt(offset);
  assert.ok(index.start(found) <= offset && offset < index.end(found));
}

/** `.didx` and `.fidx` files. */
const indexes: FuzzTarget = {
  name: 'index',
  refusals: ['corrupt'],
  outerRefusal: /magic|header/,
  make(random) {
    const whole = wholeIndex(random);
    const repaired = random.below(3) > 0;
    const input = repaired ? repairedIndex(random, whole) : damaged(random, whole);
    const feed = () => {
      const index = parseIndex(input);
      useIndex(index, random);
      if (repaired) assert.ok(checksumFits(index));
    };
    return { repaired, input, feed };
  },
};

/** Changes times, sizes or the list, then states the list's checksum anew. */
function repairedIndex(random: Random, whole: Buffer): Buffer {
  const header = Buffer.from(whole.subarray(0, INDEX_HEADER_BYTES));
  let list = whole.subarray(INDEX_HEADER_BYTES);
  if (random.below(3) === 0) damagedInPlace(random, header.subarray(64, 80)).copy(header, 64);
  else if (random.below(6) === 0) header.writeBigUInt64LE(edge(random), 24);
  else list = damaged(random, list);
  createHash('sha256').update(list).digest().copy(header, 32);
  return Buffer.concat([header, list]);
}

export const CHUNK_FORMATS: readonly FuzzTarget[] = [blobs, chunks, cuts, indexes];
