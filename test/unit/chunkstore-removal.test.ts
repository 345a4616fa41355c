import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { MemoryBackend } from '../../src/backend/memory/memory-backend.js';
import { MAX_BATCH } from '../../src/chunkstore/batches.js';
import { ChunkError } from '../../src/chunkstore/chunk-error.js';
import type { ChunkStates, GoneState } from '../../src/chunkstore/chunk-states.js';
import { ChunkStore } from '../../src/chunkstore/chunk-store.js';
import { badChunkName, chunkName, parseQuarantineName, quarantineName } from '../../src/chunkstore/layout.js';
import { Quarantine, type QuarantinedChunk, type WeighedChunk } from '../../src/chunkstore/quarantine.js';
import { beginSweep, type Sweep, type SweepParts } from '../../src/chunkstore/removal.js';
import { setAside } from '../../src/chunkstore/set-aside.js';
import { type Digest, digestHex } from '../../src/core/digest.js';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';
import { openPicture, tryLockDigest, unlockDigest } from '../../src/native/digest-locks.js';

const isKind = (kind: ErrorKind) => (error: unknown) => error instanceof CairnError && error.kind === kind;

/** Notes in memory what it is told, with what stood in the store at that moment. */
class NotedStates implements ChunkStates {
  readonly states = new Map<string, GoneState | 'present'>();
  readonly backend: MemoryBackend;
  failure: CairnError | undefined;
  /** Names that had a file when their chunks were forgotten or expired. */
  readonly stood: (string | undefined)[] = [];

  constructor(backend: MemoryBackend) {
    this.backend = backend;
  }

  async forget(digests: readonly Digest[], as: GoneState): Promise<void> {
    await this.#write(digests, as);
  }

  async expire(digests: readonly Digest[]): Promise<void> {
    const gone = digests.filter((digest) => this.states.get(digestHex(digest)) === 'quarantined');
    await this.#write(gone, 'absent');
  }

  async restore(digests: readonly Digest[]): Promise<void> {
    await this.#write(digests, 'present');
  }

  async #write(digests: readonly Digest[], as: GoneState | 'present'): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    for (const digest of digests) {
      const name = chunkName(digest, 2);
      this.stood.push((await this.backend.size(name)) === undefined ? undefined : name);
      this.states.set(digestHex(digest), as);
    }
  }
}

class Bench {
  readonly backend = new MemoryBackend();
  readonly store = new ChunkStore(this.backend, 2, { atOnce: 2 });
  readonly states = new NotedStates(this.backend);
  readonly parts = {
    backend: this.backend,
    prefixDigits: 2 as const,
    states: this.states,
    chunks: this.store,
    since: 1000,
  };
  readonly quarantine = new Quarantine(this.parts);

  async add(): Promise<{ digest: Digest; bytes: Buffer; name: string }> {
    const bytes = randomBytes(3000);
    const digest = createHash('sha256').update(bytes).digest();
    await this.store.insertBytes(digest, bytes);
    this.states.states.set(digestHex(digest), 'present');
    return { digest, bytes, name: chunkName(digest, 2) };
  }

  /** Runs a sweep after its mark. */
  async sweep(work: (sweep: Sweep) => Promise<void>, parts: Partial<SweepParts> = {}): Promise<void> {
    const sweep = beginSweep({ ...this.parts, ...parts });
    try {
      await sweep.mark(() => undefined);
      await work(sweep);
    } finally {
      await sweep.end();
    }
  }

  async remove(...digests: Digest[]): Promise<void> {
    await this.sweep(async (sweep) => void (await sweep.remove(digests, 'quarantine')));
  }

  async quarantined(): Promise<WeighedChunk[]> {
    const all: QuarantinedChunk[] = [];
    for await (const chunk of this.quarantine.list()) all.push(chunk);
    return this.quarantine.weigh(all);
  }

  stateOf(digest: Digest): string | undefined {
    return this.states.states.get(digestHex(digest));
  }
}

test('a sweep forgets first, then the files go to the quarantine', async () => {
  const bench = new Bench();
  const [one, two] = [await bench.add(), await bench.add()];
  const gone = randomBytes(32);
  await bench.sweep(async (sweep) => {
    const removal = await sweep.remove([one.digest, gone], 'quarantine');
    assert.deepEqual(removal, { removed: [one.digest], held: [], absent: [gone] });
    assert.deepEqual(await sweep.remove([one.digest], 'quarantine'), { removed: [], held: [], absent: [one.digest] });
  });
  assert.deepEqual(bench.states.stood, [one.name, undefined, undefined]);
  assert.equal(bench.stateOf(one.digest), 'quarantined');
  assert.equal(await bench.backend.size(one.name), undefined);
  assert.deepEqual(await bench.store.read(two.digest), two.bytes);
  const [quarantined, ...more] = await bench.quarantined();
  assert.deepEqual(more, []);
  assert.ok(quarantined && Buffer.compare(quarantined.digest, one.digest) === 0);
  assert.equal(quarantined.since, 1000);
  assert.equal(quarantined.bytes, (await bench.backend.get(quarantineName(one.digest, 1000))).length);
});

test('without a grace the files go at once', async () => {
  const bench = new Bench();
  const { digest, name } = await bench.add();
  await bench.sweep(async (sweep) => {
    assert.deepEqual((await sweep.remove([digest], 'delete')).removed, [digest]);
  });
  assert.equal(bench.stateOf(digest), 'absent');
  assert.equal(await bench.backend.size(name), undefined);
  assert.deepEqual(await bench.quarantined(), []);
});

test('chunks that are held, were held since the sweep began, or are locked stay', async () => {
  const bench = new Bench();
  const [held, released, locked, free] = [await bench.add(), await bench.add(), await bench.add(), await bench.add()];
  bench.store.hold(released.digest);
  tryLockDigest(locked.digest);
  await bench.sweep(async (sweep) => {
    bench.store.release(released.digest);
    bench.store.hold(held.digest);
    const all = [held, released, locked, free].map(({ digest }) => digest);
    const removal = await sweep.remove(all, 'quarantine');
    assert.deepEqual(removal, { removed: [free.digest], held: all.slice(0, 3), absent: [] });
  });
  bench.store.release(held.digest);
  unlockDigest(locked.digest);
  assert.equal(bench.states.stood.length, 1);
  for (const { digest, bytes } of [held, released, locked]) assert.deepEqual(await bench.store.read(digest), bytes);
});

test('a chunk whose state cannot be written stays, and its lock is free again', async () => {
  const bench = new Bench();
  const { digest, bytes } = await bench.add();
  bench.states.failure = new CairnError('read-only', 'made to fail');
  await assert.rejects(bench.remove(digest), isKind('read-only'));
  assert.deepEqual(await bench.store.read(digest), bytes);
  assert.equal(tryLockDigest(digest), true);
  unlockDigest(digest);
});

test('whoever wants to use a chunk that is being removed waits, and then stores it anew', async () => {
  const bench = new Bench();
  const { digest, bytes } = await bench.add();
  let used: Promise<number | undefined> | undefined;
  const known = () => (bench.stateOf(digest) === 'present' ? 1 : undefined);
  const forget = bench.states.forget.bind(bench.states);
  bench.states.forget = async (digests, as) => {
    bench.store.hold(digest);
    used = bench.store.reuse(digest, known);
    await forget(digests, as);
  };
  await bench.remove(digest);
  assert.equal(await used, undefined);
  await bench.store.insertBytes(digest, bytes);
  assert.deepEqual(await bench.store.read(digest), bytes);
  bench.store.release(digest);
});

test('one sweep runs at a time; it removes nothing before its mark or after its end', async () => {
  const bench = new Bench();
  const sweep = beginSweep(bench.parts);
  assert.throws(() => beginSweep(bench.parts), isKind('busy'));
  await assert.rejects(sweep.remove([], 'delete'), isKind('invalid'));
  await sweep.mark(() => undefined);
  await assert.rejects(
    sweep.remove(new Array<Digest>(MAX_BATCH + 1).fill(Buffer.alloc(32)), 'delete'),
    isKind('invalid'),
  );
  await sweep.end();
  await sweep.end();
  await assert.rejects(sweep.remove([], 'delete'), isKind('invalid'));
  await beginSweep(bench.parts).end();
});

test('the mark waits until no picture is open', async () => {
  const bench = new Bench();
  const close = await openPicture();
  const sweep = beginSweep(bench.parts);
  let marked = false;
  const mark = sweep.mark(() => {
    marked = true;
    return 'picture';
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(marked, false);
  close();
  assert.equal(await mark, 'picture');
  await sweep.end();
});

test('a quarantined chunk comes back verified, where nothing stands', async () => {
  const bench = new Bench();
  const { digest, bytes, name } = await bench.add();
  await bench.remove(digest);
  const [chunk] = await bench.quarantined();
  assert.ok(chunk);
  assert.equal(await bench.quarantine.undelete(chunk), 'restored');
  assert.equal(bench.stateOf(digest), 'present');
  assert.equal(bench.states.stood.at(-1), name);
  assert.deepEqual(await bench.store.read(digest), bytes);
  assert.deepEqual(await bench.quarantined(), []);
  await assert.rejects(bench.quarantine.undelete({ digest: randomBytes(32), since: 1 }), isKind('not-found'));
});

test('undelete touches nothing that stands in the place, and believes only what verifies', async () => {
  const bench = new Bench();
  const { digest, bytes, name } = await bench.add();
  await bench.remove(digest);
  const [chunk] = await bench.quarantined();
  assert.ok(chunk);
  await bench.store.insertBytes(digest, bytes);
  assert.equal(await bench.quarantine.undelete(chunk), 'present');
  assert.equal((await bench.quarantined()).length, 1);
  await bench.backend.put(name, Buffer.from('torn'));
  bench.states.states.clear();
  await assert.rejects(bench.quarantine.undelete(chunk), ChunkError);
  await bench.backend.removeAll([name]);
  await bench.backend.put(quarantineName(digest, 1000), Buffer.from('torn'));
  await assert.rejects(bench.quarantine.undelete(chunk), ChunkError);
  assert.equal(bench.states.states.size, 0);
});

test('what expires is absent before its file goes; a chunk that came back stays present', async () => {
  const bench = new Bench();
  const [one, two, busy] = [await bench.add(), await bench.add(), await bench.add()];
  await bench.remove(one.digest, two.digest, busy.digest);
  await bench.store.insertBytes(two.digest, two.bytes);
  await bench.states.restore([two.digest]);
  await bench.sweep(async (sweep) => void (await sweep.remove([one.digest], 'quarantine')), { since: 2000 });
  const chunks = await bench.quarantined();
  assert.equal(chunks.length, 3);
  tryLockDigest(busy.digest);
  const expired = await bench.quarantine.expire(chunks);
  unlockDigest(busy.digest);
  const bytes = chunks.filter(({ digest }) => Buffer.compare(digest, busy.digest) !== 0).map((chunk) => chunk.bytes);
  assert.deepEqual(expired, { chunks: 2, bytes: (bytes[0] ?? 0) + (bytes[1] ?? 0) });
  assert.equal(bench.stateOf(one.digest), 'absent');
  assert.equal(bench.stateOf(two.digest), 'present');
  assert.equal(bench.stateOf(busy.digest), 'quarantined');
  assert.deepEqual(await bench.store.read(two.digest), two.bytes);
  const left = await bench.quarantined();
  assert.deepEqual(
    left.map(({ digest }) => digestHex(digest)),
    [digestHex(busy.digest)],
  );
  assert.deepEqual(await bench.quarantine.expire([]), { chunks: 0, bytes: 0 });
});

test('a quarantine that cannot be listed is not taken for an empty one', async () => {
  const bench = new Bench();
  bench.backend.list = () => {
    throw new CairnError('io', 'made to fail');
  };
  await assert.rejects(bench.quarantined(), isKind('io'));
});

test('a bad chunk is set aside under the next free name, its state written first', async () => {
  const bench = new Bench();
  const { digest, bytes, name } = await bench.add();
  assert.deepEqual(await setAside(bench.parts, digest), { kind: 'sound' });
  for (let n = 0; n < 11; n++) {
    await bench.backend.put(name, Buffer.from(`bad ${n}`));
    const place = badChunkName(digest, 2, Math.min(n, 9));
    assert.deepEqual(await setAside(bench.parts, digest), { kind: 'aside', name: place });
    assert.equal((await bench.backend.get(place)).toString(), `bad ${n}`);
    assert.equal(await bench.backend.size(name), undefined);
  }
  assert.equal(bench.stateOf(digest), 'bad');
  assert.deepEqual(bench.states.stood, new Array(11).fill(name));
  assert.deepEqual(await setAside(bench.parts, digest), { kind: 'absent' });
  await bench.store.insertBytes(digest, bytes);
  assert.deepEqual(await setAside(bench.parts, digest), { kind: 'sound' });
});

test('a chunk that cannot be judged is not set aside', async () => {
  const bench = new Bench();
  const { digest, name } = await bench.add();
  const encrypted = Buffer.concat([Buffer.from('7b6785be222d4cf0', 'hex'), Buffer.alloc(60)]);
  await bench.backend.put(name, encrypted);
  assert.deepEqual(await setAside(bench.parts, digest), { kind: 'sound' });
  bench.backend.get = () => Promise.reject(new CairnError('io', 'The disk is broken'));
  await assert.rejects(setAside(bench.parts, digest), isKind('io'));
  assert.equal(bench.stateOf(digest), 'present');
  assert.equal(bench.states.stood.length, 0);
});

test('names in the quarantine say what they hold, others are left alone', () => {
  const digest = randomBytes(32);
  const parsed = parseQuarantineName(quarantineName(digest, 12345));
  assert.ok(parsed && Buffer.compare(parsed.digest, digest) === 0);
  assert.equal(parsed.since, 12345);
  const hex = digestHex(digest);
  for (const other of [`.cairn/quarantine/ab/${hex}`, `.cairn/quarantine/ab/${hex}.x`, `${hex}.1`]) {
    assert.equal(parseQuarantineName(other), undefined);
  }
});
