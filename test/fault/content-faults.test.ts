import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ErrorKind } from '../../src/core/errors.js';
import { dropCached } from '../../src/native/chunk-cache.js';
import { draftMemoryBytes } from '../../src/native/draft.js';
import { JournalFile } from '../../src/native/journal-file.js';
import { ofKind } from '../support/catalog.js';
import { FailingBackend } from '../support/failing-backend.js';
import { bodyOf, TestLiveStore } from '../support/live-store.js';
import { Random } from '../support/random.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const random = new Random(11);

async function storeWithFaults(t: TestContext): Promise<{ store: TestLiveStore; backend: FailingBackend }> {
  let backend: FailingBackend | undefined;
  const store = await TestLiveStore.make(t, {
    backend: (real) => {
      backend = new FailingBackend(real);
      return backend;
    },
  });
  assert.ok(backend);
  return { store, backend };
}

/** The journal's appends fail from now on, from the n-th of more than `bytes` on. @returns what ends that */
function failAppends(t: TestContext, code: string, before = 0): () => void {
  const real = JournalFile.prototype.append;
  let left = before;
  const mocked = t.mock.method(JournalFile.prototype, 'append', function (this: JournalFile, ...args: unknown[]) {
    if (left-- <= 0) throw Object.assign(new Error(`made to fail: ${code}`), { code });
    return real.apply(this, args as Parameters<typeof real>);
  });
  return () => mocked.mock.restore();
}

async function write(store: TestLiveStore, ino: number, bytes: Buffer, offset = 0, request = MIB): Promise<void> {
  const content = store.openFile(ino);
  try {
    for (let at = 0; at < bytes.length; at += request) {
      await content.write(offset + at, bodyOf(bytes.subarray(at, at + request)));
    }
  } catch (error) {
    await store.live.contents.close(ino);
    throw error;
  }
  await store.live.contents.close(ino);
}

const KINDS: readonly ErrorKind[] = ['no-space', 'io'];

for (const kind of KINDS) {
  test(`a chunk that cannot be put (${kind}) is told once at flush, and the store goes on`, async (t) => {
    const { store, backend } = await storeWithFaults(t);
    const good = random.bytes(6 * MIB);
    const ino = store.makeFile('good');
    await write(store, ino, good);
    backend.failure = kind;
    backend.putsBefore = 2;
    const bad = store.makeFile('bad');
    const content = store.openFile(bad);
    const writer = store.live.contents.errors.forNewHandle(bad);
    const bytes = random.bytes(9 * MIB);
    let written = 0;
    try {
      for (; written < bytes.length; written += MIB) {
        await content.write(written, bodyOf(bytes.subarray(written, written + MIB)));
      }
    } catch (error) {
      assert.ok(ofKind(kind)(error), String(error));
    }
    await assert.rejects(async () => store.live.contents.flush(bad, writer), ofKind(kind));
    assert.equal(content.dirty, false);
    await store.live.contents.flush(bad, writer);
    assert.equal(draftMemoryBytes(), 0, 'what cannot be stored is still in memory');
    backend.failure = undefined;
    await content.truncate(0, store.clock.now());
    for (let at = 0; at < bytes.length; at += MIB) await content.write(at, bodyOf(bytes.subarray(at, at + MIB)));
    await content.flush();
    await store.live.contents.close(bad);
    assert.ok((await store.read(bad)).equals(bytes), 'the file is not what was written after the disk had room again');
    assert.ok((await store.read(ino)).equals(good), 'a file stored before has changed');
    await store.crash();
    assert.ok((await store.read(bad)).equals(bytes));
    assert.ok((await store.read(ino)).equals(good));
  });

  test(`a journal that cannot be written (${kind}) fails the flush of a small file once and changes nothing`, async (t) => {
    const { store } = await storeWithFaults(t);
    const ino = store.makeFile('small');
    const first = random.bytes(20 * KIB);
    await write(store, ino, first);
    const restore = failAppends(t, kind === 'io' ? 'EIO' : 'ENOSPC');
    const content = store.openFile(ino);
    const writer = store.live.contents.errors.forNewHandle(ino);
    content.write(0, bodyOf(random.bytes(30 * KIB)));
    assert.throws(() => store.live.contents.flush(ino, writer), ofKind(kind));
    store.live.contents.flush(ino, writer);
    assert.equal(store.live.parts.log.refusal?.kind, kind === 'io' ? 'io' : undefined);
    restore();
    await store.live.contents.close(ino);
    assert.ok((await store.read(ino)).equals(first), 'the old content is not there any more');
    assert.equal(store.live.parts.log.failure, undefined);
    const second = random.bytes(40 * KIB);
    await write(store, ino, second);
    assert.equal(store.live.parts.log.refusal, undefined);
    await store.crash();
    assert.ok((await store.read(ino)).equals(second));
    assert.equal(draftMemoryBytes(), 0);
  });
}

test('closing a file whose bytes cannot be stored forgets it, but not the error', async (t) => {
  const { store } = await storeWithFaults(t);
  const ino = store.makeFile('small');
  store.openFile(ino).write(0, bodyOf(random.bytes(5000)));
  const restore = failAppends(t, 'ENOSPC');
  await store.live.contents.close(ino);
  restore();
  const { contents } = store.live;
  assert.equal(contents.get(ino), undefined);
  assert.throws(() => contents.flush(ino, contents.errors.forNewHandle(ino)), ofKind('no-space'));
  contents.flush(ino, contents.errors.forNewHandle(ino));
  assert.equal(draftMemoryBytes(), 0);
});

test('an error found by others than its writer is still told at the flush', async (t) => {
  const { store } = await storeWithFaults(t);
  const ino = store.makeFile('small');
  const writer = store.live.contents.errors.forNewHandle(ino);
  store.openFile(ino).write(0, bodyOf(random.bytes(5000)));
  const restore = failAppends(t, 'ENOSPC');
  await assert.rejects(store.live.contents.flushAll(), ofKind('no-space'));
  restore();
  assert.throws(() => store.live.contents.flush(ino, writer), ofKind('no-space'));
  store.live.contents.flush(ino, writer);
  await store.live.contents.close(ino);
});

test('records of one flush that were appended before the disk was full stay', async (t) => {
  const { store } = await storeWithFaults(t);
  const ino = store.makeFile('random');
  const old = random.bytes(3 * MIB);
  await write(store, ino, old);
  const content = store.openFile(ino);
  const writer = store.live.contents.errors.forNewHandle(ino);
  const [a, b] = [random.bytes(1000), random.bytes(1000)];
  content.write(100, bodyOf(a));
  content.write(2 * MIB, bodyOf(b));
  const restore = failAppends(t, 'ENOSPC', 1);
  await assert.rejects(async () => store.live.contents.flush(ino, writer), ofKind('no-space'));
  restore();
  await store.live.contents.close(ino);
  const expected = Buffer.from(old);
  expected.set(a, 100);
  assert.ok((await store.read(ino)).equals(expected));
});

test('writers that wait for memory hear of a full disk instead of waiting for ever', { timeout: 60_000 }, async (t) => {
  const { store, backend } = await storeWithFaults(t);
  const letGo = backend.holdUp();
  const files = ['a', 'b', 'c'].map((name) => store.makeFile(name));
  const part = random.bytes(MIB);
  const outcomes = files.map(async (ino) => {
    const content = store.openFile(ino);
    for (let at = 0; at < 40 * MIB; at += MIB) await content.write(at, bodyOf(part));
  });
  await new Promise((resolve) => setImmediate(resolve));
  backend.failure = 'no-space';
  const restore = failAppends(t, 'ENOSPC');
  letGo();
  for (const result of await Promise.allSettled(outcomes)) {
    assert.equal(result.status, 'rejected');
    assert.ok(ofKind('no-space')((result as PromiseRejectedResult).reason));
  }
  for (const ino of files) {
    await store.live.contents.close(ino);
  }
  restore();
  assert.equal(draftMemoryBytes(), 0);
});

test('writers over the budget go on as chunks are stored, also many files at once', { timeout: 120_000 }, async (t) => {
  const { store } = await storeWithFaults(t);
  const contents = Array.from({ length: 24 }, (_, index) => ({
    ino: store.makeFile(`f${index}`),
    bytes: random.bytes(5 * MIB + 1234 * index),
  }));
  await Promise.all(contents.map(({ ino, bytes }) => write(store, ino, bytes)));
  for (const { ino, bytes } of contents) assert.ok((await store.read(ino)).equals(bytes));
  assert.equal(draftMemoryBytes(), 0);
});

test('on a full disk a barrier holds, and a commit waits for room', async (t) => {
  const { store } = await storeWithFaults(t);
  const ino = store.makeFile('small');
  await write(store, ino, random.bytes(1000));
  const restore = failAppends(t, 'ENOSPC');
  const { durability, parts } = store.live;
  await durability.barrier();
  assert.ok(durability.allDurable);
  await assert.rejects(durability.commit(), ofKind('no-space'));
  assert.equal(parts.log.failure, undefined, 'the store cannot go on');
  restore();
  await durability.commit();
  assert.equal(parts.log.changesSinceCommit, 0);
});

test('a file that cannot be read keeps no other from being packed', async (t) => {
  const { store } = await storeWithFaults(t);
  const { catalog, backend } = store.datastore;
  const lost = store.makeFile('lost');
  await write(store, lost, random.bytes(3000));
  await store.live.packer.run();
  const extent = catalog.extents.overlapping(lost, 0, 1)[0];
  assert.equal(extent?.kind, 'chunk');
  const other = store.makeFile('other');
  await write(store, other, random.bytes(3000));
  await write(store, lost, random.bytes(10), 100);
  const digest = Buffer.from((extent as { digest: Uint8Array }).digest).toString('hex');
  await backend.removeAll([`.chunks/${digest.slice(0, 2)}/${digest}`]);
  dropCached((extent as { digest: Uint8Array }).digest as Buffer);
  await assert.rejects(store.live.packer.run(), /no such chunk/);
  assert.equal(catalog.extents.overlapping(other, 0, 1)[0]?.kind, 'chunk');
});

test('a store that takes no changes any more refuses writes at once', async (t) => {
  const { store } = await storeWithFaults(t);
  const ino = store.makeFile('small');
  const content = store.openFile(ino);
  store.live.parts.log.fail('it is a test', undefined);
  assert.throws(() => content.write(0, bodyOf(random.bytes(10))), ofKind('read-only'));
  assert.equal(content.dirty, false);
});
