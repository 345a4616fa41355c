import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Backend } from '../../src/backend/backend.js';
import { FsBackend } from '../../src/backend/fs/fs-backend.js';
import { MemoryBackend } from '../../src/backend/memory/memory-backend.js';
import { MAX_CHUNK_BYTES } from '../../src/chunk/limits.js';
import { ChunkError } from '../../src/chunkstore/chunk-error.js';
import { type ChunkSource, ChunkStore } from '../../src/chunkstore/chunk-store.js';
import { chunkName } from '../../src/chunkstore/layout.js';
import type { Digest } from '../../src/core/digest.js';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';
import { encodeBlobSync } from '../../src/native/blob.js';
import { copyCached, dropCached } from '../../src/native/chunk-cache.js';
import { lockDigest, tryLockDigest, unlockDigest } from '../../src/native/digest-locks.js';
import { isHeld } from '../../src/native/holds.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const digestOf = (bytes: Uint8Array): Digest => createHash('sha256').update(bytes).digest();
const isKind = (kind: ErrorKind) => (error: unknown) => error instanceof CairnError && error.kind === kind;

/** A chunk no other test has, with the store it is put into. */
function setUp(length = 100_000, backend: Backend = new MemoryBackend()) {
  const bytes = randomBytes(length);
  return { backend, store: new ChunkStore(backend, 2, { atOnce: 2 }), bytes, digest: digestOf(bytes) };
}

/** A source whose encoding waits until it is let go. */
class HeldSource implements ChunkSource {
  readonly length: number;
  started = 0;
  letGo: () => void = () => undefined;
  readonly #bytes: Uint8Array;
  readonly #gate: Promise<void>;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.length = bytes.length;
    this.#gate = new Promise((resolve) => {
      this.letGo = resolve;
    });
  }

  async encode(out: Uint8Array, level: number): Promise<number> {
    this.started += 1;
    await this.#gate;
    return encodeBlobSync(this.#bytes, out, level);
  }
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('a chunk that was inserted is read back, and its blob is the one PBS would write', async () => {
  const { backend, store } = setUp();
  const bytes = Buffer.from('hello\n');
  // pbs-format A.1
  const digest = Buffer.from('5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03', 'hex');
  assert.equal(await store.insertBytes(digest, bytes), 18);
  const name = '.chunks/58/5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03';
  assert.equal((await backend.get(name)).toString('hex'), '42ab3807be8370a120303a3668656c6c6f0a');
  assert.deepEqual(await store.read(digest), bytes);
});

test("in PBS's layout the folder has four digits", () => {
  const digest = digestOf(Buffer.from('x'));
  assert.equal(chunkName(digest, 4), `.chunks/2d71/${Buffer.from(digest).toString('hex')}`);
});

test('a chunk is re-used only where it has exactly the length that is known of it', async () => {
  const { backend, store, bytes, digest } = setUp();
  assert.equal(await store.reuse(digest, () => 100), undefined);
  const stored = await store.insertBytes(digest, bytes);
  assert.equal(await store.reuse(digest, () => stored), stored);
  assert.equal(await store.reuse(digest, () => stored - 1), undefined);
  assert.equal(await store.reuse(digest, () => undefined), undefined);
  await backend.put(chunkName(digest, 2), Buffer.alloc(0));
  assert.equal(await store.reuse(digest, () => stored), undefined);
  assert.equal(store.counters.reuses, 1);
});

test('what is known of a chunk is asked again once it is locked, and believed then', async () => {
  const { store, bytes, digest } = setUp();
  const stored = await store.insertBytes(digest, bytes);
  assert.equal(lockDigest(digest), undefined);
  let known: number | undefined = stored;
  const reuse = store.reuse(digest, () => known);
  await nextTurn();
  // A collector took it away, and another thread stored it anew: it stands there, but is not durable.
  known = undefined;
  unlockDigest(digest);
  assert.equal(await reuse, undefined);
  assert.equal(store.counters.reuses, 0);
});

test('an insert waits for whoever works on the chunk, and encodes meanwhile', async () => {
  const { store, bytes, digest } = setUp();
  assert.equal(lockDigest(digest), undefined);
  const source = new HeldSource(bytes);
  const insert = store.insert(digest, source);
  source.letGo();
  await nextTurn();
  assert.equal(source.started, 1);
  assert.equal(store.counters.inserts, 0);
  unlockDigest(digest);
  await insert;
  assert.deepEqual(await store.read(digest), bytes);
  assert.equal(tryLockDigest(digest), true);
  unlockDigest(digest);
});

test('one insert of a digest is in flight; who comes later shares it', async () => {
  const { store, bytes, digest } = setUp();
  const [first, second] = [new HeldSource(bytes), new HeldSource(bytes)];
  const inserts = [store.insert(digest, first), store.insert(digest, second)];
  first.letGo();
  const [a, b] = await Promise.all(inserts);
  assert.equal(a, b);
  assert.deepEqual([first.started, second.started], [1, 0]);
  assert.equal(store.counters.inserts, 1);
  assert.equal(store.counters.plainBytes, bytes.length);
  assert.equal(store.counters.encodedBytes, a);
});

test('an insert that failed is told to all who share it, and can be tried again', async () => {
  const { store, bytes, digest } = setUp();
  const fail = () => Promise.reject(new CairnError('no-space', 'The disk is full'));
  const source = { length: bytes.length, encode: fail };
  const inserts = [store.insert(digest, source), store.insert(digest, source)];
  for (const insert of inserts) await assert.rejects(insert, isKind('no-space'));
  await store.insertBytes(digest, bytes);
  assert.deepEqual(await store.read(digest), bytes);
});

test('inserts beyond the limit wait, and go on in the order they came', async () => {
  const { store } = setUp();
  const order: number[] = [];
  const sources = Array.from({ length: 6 }, (_, index) => new HeldSource(Buffer.from(`${index} ${randomBytes(8)}`)));
  const inserts = sources.map(async (source, index) => {
    await store.insert(digestOf(randomBytes(32)), source);
    order.push(index);
  });
  for (const [index, source] of sources.entries()) {
    await nextTurn();
    const started = sources.filter((other) => other.started > 0).length;
    assert.equal(started, Math.min(index + 2, sources.length));
    source.letGo();
    await inserts[index];
  }
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5]);
});

test('a slot is free again after a failure, whatever failed', async () => {
  const { bytes, digest } = setUp();
  const store = new ChunkStore(new MemoryBackend(50), 2, { atOnce: 1 });
  for (let round = 0; round < 3; round++) await assert.rejects(store.insertBytes(digest, bytes), isKind('no-space'));
  const small = Buffer.from('small');
  await store.insertBytes(digestOf(small), small);
});

test('chunks from one byte to the limit are inserted, longer ones refused', async () => {
  const { store } = setUp();
  for (const length of [0, 1, MAX_CHUNK_BYTES]) {
    const bytes = Buffer.alloc(length, 7);
    await store.insertBytes(digestOf(bytes), bytes);
    assert.ok((await store.read(digestOf(bytes))).equals(bytes));
  }
  const encode = () => assert.fail('must not be asked');
  await assert.rejects(store.insert(Buffer.alloc(32), { length: MAX_CHUNK_BYTES + 1, encode }), isKind('too-large'));
});

/** Chunks that are local files are read by the addon itself. */
const BACKENDS: Readonly<Record<string, (t: TestContext) => Backend>> = {
  'in memory': () => new MemoryBackend(),
  'in files': (t) => new FsBackend(temporaryFolder(t)),
};

for (const [where, backendFor] of Object.entries(BACKENDS)) {
  test(`a load brings the chunk into the cache, once for all who wait (${where})`, async (t) => {
    const { store, bytes, digest } = setUp(100_000, backendFor(t));
    t.after(() => dropCached(digest));
    await store.insertBytes(digest, bytes);
    const loads = [store.load(digest, bytes.length), store.load(digest)];
    assert.ok(isHeld(digest), 'a load in flight holds its chunk');
    await Promise.all(loads);
    await store.load(digest);
    assert.ok(!isHeld(digest));
    assert.equal(store.counters.loads, 1);
    assert.deepEqual(copyCached(digest, 10, 20), bytes.subarray(10, 30));
  });

  test(`a chunk that is not there is an error that names it, and no "no such file" (${where})`, async (t) => {
    const { store, digest } = setUp(100_000, backendFor(t));
    const absent = (error: unknown) =>
      error instanceof ChunkError && error.state === 'absent' && error.kind === 'corrupt' && error.digest === digest;
    await assert.rejects(store.load(digest), absent);
    await assert.rejects(store.read(digest), absent);
    await assert.rejects(store.read(digest), new RegExp(Buffer.from(digest).toString('hex')));
    assert.ok(!isHeld(digest));
  });

  test(`damaged chunks are found, whatever is damaged (${where})`, async (t) => {
    const { backend, store, bytes, digest } = setUp(100_000, backendFor(t));
    await store.insertBytes(digest, bytes);
    const blob = await backend.get(chunkName(digest, 2));
    const other = Buffer.alloc(200);
    const otherBlob = other.subarray(0, encodeBlobSync(Buffer.from('another chunk'), other, 1));
    const flipped = Buffer.from(blob);
    flipped[500] = (flipped[500] ?? 0) ^ 1;
    const corrupt = (error: unknown) => error instanceof ChunkError && error.state === 'corrupt';
    for (const damaged of [flipped, blob.subarray(0, -1), Buffer.alloc(0), Buffer.alloc(40), otherBlob]) {
      await backend.put(chunkName(digest, 2), damaged);
      await assert.rejects(store.load(digest), corrupt);
      await assert.rejects(store.read(digest), corrupt);
    }
    await backend.put(chunkName(digest, 2), blob);
    await assert.rejects(store.load(digest, bytes.length + 1), corrupt);
    assert.deepEqual(await store.read(digest), bytes);
  });

  test(`an encrypted chunk is not called damaged (${where})`, async (t) => {
    const { backend, store, digest } = setUp(100_000, backendFor(t));
    const encrypted = Buffer.concat([Buffer.from('7b6785be222d4cf0', 'hex'), Buffer.alloc(60)]);
    await backend.put(chunkName(digest, 2), encrypted);
    await assert.rejects(store.read(digest), isKind('unsupported'));
    await assert.rejects(store.load(digest), isKind('unsupported'));
  });
}

test('a file that cannot be read is not taken for an absent chunk', async (t) => {
  const folder = temporaryFolder(t);
  const { store, digest } = setUp(100, new FsBackend(folder));
  mkdirSync(join(folder, chunkName(digest, 2)), { recursive: true });
  for (const load of [() => store.load(digest), () => store.read(digest)]) {
    await assert.rejects(load, (error) => !(error instanceof ChunkError) && isKind('is-a-directory')(error));
  }
});

test('a backend that cannot be read is not taken for an absent chunk', async () => {
  const { digest } = setUp();
  const backend = new MemoryBackend();
  backend.get = () => Promise.reject(new CairnError('io', 'The disk is broken'));
  await assert.rejects(new ChunkStore(backend, 2).load(digest), (error) => {
    return !(error instanceof ChunkError) && isKind('io')(error);
  });
});

test('holds are counted', () => {
  const { store, digest } = setUp(10);
  store.hold(digest);
  store.hold(digest);
  store.release(digest);
  assert.ok(isHeld(digest));
  store.release(digest);
  assert.ok(!isHeld(digest));
});

test('where it is asked for, a chunk that was written is read back before it counts', async () => {
  const backend = new MemoryBackend();
  const store = new ChunkStore(backend, 2, { atOnce: 2, verifyNew: true });
  const bytes = randomBytes(50_000);
  await store.insertBytes(digestOf(bytes), bytes);
  const put = backend.put.bind(backend);
  backend.put = (name, blob) => {
    const damaged = Buffer.from(blob);
    damaged[1000] = (damaged[1000] as number) ^ 1;
    return put(name, damaged);
  };
  await assert.rejects(store.insertBytes(digestOf(bytes), bytes), isKind('corrupt'));
  await new ChunkStore(backend, 2, { atOnce: 2 }).insertBytes(digestOf(bytes), bytes);
});

test('whoever listens is told of chunks that cannot be had', async () => {
  const { backend, store, bytes, digest } = setUp();
  const told: unknown[] = [];
  store.onDamage((error) => told.push([error.state, error.digest]));
  await store.insertBytes(digest, bytes);
  await store.read(digest);
  assert.deepEqual(told, []);
  await backend.put(chunkName(digest, 2), Buffer.alloc(30));
  await assert.rejects(store.load(digest), isKind('corrupt'));
  await backend.removeAll([chunkName(digest, 2)]);
  await assert.rejects(store.read(digest), isKind('corrupt'));
  assert.deepEqual(told, [
    ['corrupt', digest],
    ['absent', digest],
  ]);
});

test('with verifyNew a chunk that did not reach the backend as it was is refused, else nobody notices', async () => {
  class LyingBackend extends MemoryBackend {
    lies = true;

    override put(name: string, bytes: Uint8Array): Promise<void> {
      const damaged = Buffer.from(bytes);
      if (this.lies) damaged[damaged.length - 1] = (damaged.at(-1) as number) ^ 1;
      return super.put(name, damaged);
    }
  }
  const backend = new LyingBackend();
  const bytes = randomBytes(50_000);
  const digest = digestOf(bytes);
  await new ChunkStore(backend, 2, { atOnce: 2 }).insertBytes(digest, bytes);
  const careful = new ChunkStore(backend, 2, { atOnce: 2, verifyNew: true });
  await assert.rejects(careful.insertBytes(digest, bytes), isKind('corrupt'));
  assert.deepEqual([careful.counters.inserts, careful.counters.encodedBytes], [0, 0]);
  backend.lies = false;
  await careful.insertBytes(digest, bytes);
  assert.deepEqual(await careful.read(digest), bytes);
});
