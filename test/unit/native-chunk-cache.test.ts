import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { beforeEach, test } from 'node:test';
import type { Digest } from '../../src/core/digest.js';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';
import { encodeBlobSync } from '../../src/native/blob.js';
import {
  cacheBytes,
  cachedChunk,
  copyCached,
  decodeIntoCache,
  dropCached,
  insertChunk,
  setCacheLimit,
} from '../../src/native/chunk-cache.js';
import { sha256Sync } from '../../src/native/hash.js';

const MAX_PLAIN_BYTES = 1 << 20;

interface Sample {
  readonly digest: Digest;
  readonly plain: Buffer;
  readonly blob: Buffer;
}

function sample(length: number): Sample {
  const plain = randomBytes(length);
  const out = Buffer.alloc(length + 12);
  return { digest: sha256Sync(plain), plain, blob: out.subarray(0, encodeBlobSync(plain, out, 1)) };
}

function assertKind(kind: ErrorKind): (error: unknown) => boolean {
  return (error) => error instanceof CairnError && error.kind === kind;
}

beforeEach(() => {
  setCacheLimit(0);
  setCacheLimit(10_000);
  assert.equal(cacheBytes(), 0);
});

test('a chunk decoded into the cache is copied out of it', async () => {
  const { digest, plain, blob } = sample(5000);
  assert.equal(cachedChunk(digest), false);
  assert.equal(copyCached(digest, 0, 1), undefined);
  assert.equal(await decodeIntoCache(digest, blob, MAX_PLAIN_BYTES, undefined), 5000);
  assert.equal(await decodeIntoCache(digest, blob, MAX_PLAIN_BYTES, 5000), 5000);
  assert.equal(cachedChunk(digest), true);
  assert.equal(cacheBytes(), 5000);
  assert.ok(copyCached(digest, 0, 5000)?.equals(plain));
  assert.ok(copyCached(digest, 4000, 1000)?.equals(plain.subarray(4000)));
  assert.equal(copyCached(digest, 5000, 0)?.length, 0);
  assert.throws(() => copyCached(digest, 4000, 1001), RangeError);
  assert.throws(() => copyCached(digest, 5001, 0), RangeError);
  dropCached(digest);
  dropCached(digest);
  assert.equal(cachedChunk(digest), false);
  assert.equal(cacheBytes(), 0);
});

test('the least recently used chunks go first', () => {
  const [one, two, three, four] = [sample(4000), sample(4000), sample(2000), sample(4000)] as const;
  for (const { digest, plain } of [one, two, three]) insertChunk(digest, plain);
  assert.equal(cacheBytes(), 10_000);
  assert.equal(copyCached(one.digest, 0, 10)?.length, 10);
  cachedChunk(two.digest);
  insertChunk(three.digest, three.plain);
  insertChunk(four.digest, four.plain);
  assert.deepEqual(
    [one, two, three, four].map(({ digest }) => cachedChunk(digest)),
    [true, false, true, true],
  );
  assert.equal(cacheBytes(), 10_000);
  setCacheLimit(5000);
  assert.deepEqual(
    [one, three, four].map(({ digest }) => cachedChunk(digest)),
    [false, false, true],
  );
});

test('a chunk larger than the limit is not kept, the empty one is', () => {
  const large = sample(10_001);
  insertChunk(large.digest, large.plain);
  assert.equal(cachedChunk(large.digest), false);
  const empty = sample(0);
  insertChunk(empty.digest, empty.plain);
  assert.equal(copyCached(empty.digest, 0, 0)?.length, 0);
  assert.equal(cacheBytes(), 0);
});

test('damage and mix-ups are corrupt, and nothing gets into the cache', async () => {
  const { digest, blob } = sample(3000);
  const other = sample(3000);
  const changed = Buffer.from(blob);
  changed[100] = (changed[100] as number) ^ 1;
  await assert.rejects(decodeIntoCache(digest, changed, MAX_PLAIN_BYTES, undefined), assertKind('corrupt'));
  await assert.rejects(decodeIntoCache(digest, other.blob, MAX_PLAIN_BYTES, undefined), assertKind('corrupt'));
  await assert.rejects(decodeIntoCache(digest, blob, MAX_PLAIN_BYTES, 2999), assertKind('corrupt'));
  await assert.rejects(decodeIntoCache(digest, blob, 2999, undefined), assertKind('corrupt'));
  const encrypted = Buffer.from(`7b6785be222d4cf0${'00'.repeat(40)}`, 'hex');
  await assert.rejects(decodeIntoCache(digest, encrypted, MAX_PLAIN_BYTES, undefined), assertKind('unsupported'));
  assert.equal(cacheBytes(), 0);
});

test('many loads at once keep within the limit', async () => {
  const samples = Array.from({ length: 60 }, () => sample(1000));
  await Promise.all(samples.map(({ digest, blob }) => decodeIntoCache(digest, blob, MAX_PLAIN_BYTES, 1000)));
  assert.equal(cacheBytes(), 10_000);
  const kept = samples.filter(({ digest }) => cachedChunk(digest));
  assert.equal(kept.length, 10);
  for (const { digest, plain } of kept) assert.ok(copyCached(digest, 0, 1000)?.equals(plain));
});

test('wrong arguments are refused', async () => {
  assert.throws(() => cachedChunk(Buffer.alloc(31)), RangeError);
  assert.throws(() => insertChunk(Buffer.alloc(32), 'x' as unknown as Uint8Array), TypeError);
  assert.throws(() => setCacheLimit(-1), RangeError);
  await assert.rejects(decodeIntoCache(Buffer.alloc(33), Buffer.alloc(12), 100, undefined), RangeError);
});
