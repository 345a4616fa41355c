import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, type TestContext, test } from 'node:test';
import type { Digest } from '../../src/core/digest.js';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';
import { encodeBlobSync } from '../../src/native/blob.js';
import {
  cacheBytes,
  cachedChunk,
  copyCached,
  dropCached,
  insertChunk,
  setCacheLimit,
} from '../../src/native/chunk-cache.js';
import {
  decodeChunk,
  decodeChunkFile,
  decodeFileIntoCache,
  decodeIntoCache,
  type ExpectedChunk,
} from '../../src/native/chunk-decoding.js';
import { sha256Sync } from '../../src/native/hash.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const MAX_PLAIN_BYTES = 1 << 20;

interface Sample {
  readonly digest: Digest;
  readonly plain: Buffer;
  readonly blob: Buffer;
}

function sampleOf(plain: Buffer): Sample {
  const out = Buffer.alloc(plain.length + 12);
  return { digest: sha256Sync(plain), plain, blob: out.subarray(0, encodeBlobSync(plain, out, 1)) };
}

const sample = (length: number): Sample => sampleOf(randomBytes(length));

/** One that compresses. */
const zeros = (length: number): Sample => sampleOf(Buffer.alloc(length));

function expected(digest: Digest, plainLength?: number): ExpectedChunk {
  return { digest, maxPlainBytes: MAX_PLAIN_BYTES, plainLength };
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
  await decodeIntoCache(expected(digest), blob);
  await decodeIntoCache(expected(digest, 5000), blob);
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

/** The ways from a blob to plain bytes, the one of files by way of a file. */
const WAYS: Readonly<
  Record<string, (expected: ExpectedChunk, blob: Buffer, path: string) => Promise<Buffer | undefined>>
> = {
  'to a buffer': decodeChunk,
  'into the cache': async (chunk, blob) => {
    await decodeIntoCache(chunk, blob);
    return copyCached(chunk.digest, 0, chunk.plainLength ?? 0);
  },
  'of a file to a buffer': (chunk, _, path) => decodeChunkFile(chunk, path),
  'of a file into the cache': async (chunk, _, path) => {
    await decodeFileIntoCache(chunk, path);
    return copyCached(chunk.digest, 0, chunk.plainLength ?? 0);
  },
};

for (const [way, decodeWith] of Object.entries(WAYS)) {
  const decoder = (t: TestContext) => {
    const path = join(temporaryFolder(t), 'blob');
    return (chunk: ExpectedChunk, blob: Buffer) => {
      writeFileSync(path, blob);
      return decodeWith(chunk, blob, path);
    };
  };

  test(`what is compressed and what is not is decoded ${way}`, async (t) => {
    const decode = decoder(t);
    for (const { digest, plain, blob } of [sample(9000), zeros(9000), sample(0), sample(1)]) {
      assert.ok((await decode(expected(digest, plain.length), blob))?.equals(plain));
    }
  });

  test(`damage and mix-ups are corrupt ${way}, and nothing gets into the cache`, async (t) => {
    const decode = decoder(t);
    const { digest, blob } = sample(3000);
    const other = sample(3000);
    const changed = Buffer.from(blob);
    changed[100] = (changed[100] as number) ^ 1;
    await assert.rejects(decode(expected(digest), changed), assertKind('corrupt'));
    await assert.rejects(decode(expected(digest), other.blob), assertKind('corrupt'));
    await assert.rejects(decode(expected(digest), blob.subarray(0, 11)), assertKind('corrupt'));
    await assert.rejects(decode(expected(digest, 2999), blob), assertKind('corrupt'));
    await assert.rejects(decode({ digest, maxPlainBytes: 2999 }, blob), assertKind('corrupt'));
    const long = zeros(3000);
    await assert.rejects(decode({ digest: long.digest, maxPlainBytes: 2999 }, long.blob), assertKind('corrupt'));
    const encrypted = Buffer.from(`7b6785be222d4cf0${'00'.repeat(40)}`, 'hex');
    await assert.rejects(decode(expected(digest), encrypted), assertKind('unsupported'));
    assert.equal(cacheBytes(), 0);
  });
}

test('a file that is absent or no file is said as the system says it', async () => {
  const { digest } = sample(10);
  for (const decode of [decodeChunkFile, decodeFileIntoCache]) {
    await assert.rejects(decode(expected(digest), '/nowhere/at/all'), { code: 'ENOENT' });
    await assert.rejects(decode(expected(digest), '/'), { code: 'EISDIR' });
  }
});

test('many loads at once keep within the limit', async () => {
  const samples = Array.from({ length: 60 }, () => sample(1000));
  await Promise.all(samples.map(({ digest, blob }) => decodeIntoCache(expected(digest, 1000), blob)));
  assert.equal(cacheBytes(), 10_000);
  const kept = samples.filter(({ digest }) => cachedChunk(digest));
  assert.equal(kept.length, 10);
  for (const { digest, plain } of kept) assert.ok(copyCached(digest, 0, 1000)?.equals(plain));
});

test('wrong arguments are refused', async () => {
  assert.throws(() => cachedChunk(Buffer.alloc(31)), RangeError);
  assert.throws(() => insertChunk(Buffer.alloc(32), 'x' as unknown as Uint8Array), TypeError);
  assert.throws(() => setCacheLimit(-1), RangeError);
  await assert.rejects(decodeIntoCache(expected(Buffer.alloc(33)), Buffer.alloc(12)), RangeError);
  await assert.rejects(decodeChunk(expected(Buffer.alloc(32), -1), Buffer.alloc(12)), RangeError);
  await assert.rejects(decodeChunkFile(expected(Buffer.alloc(32)), 5 as unknown as string), TypeError);
});
