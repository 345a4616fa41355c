import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change } from '../../src/catalog/change.js';
import type { ChunkExtent } from '../../src/catalog/extent.js';
import { CHUNKER_DYNAMIC, CHUNKER_FIXED, type ChunkerKind, STORAGE_PACKED } from '../../src/catalog/inode.js';
import { PACK_TARGET_BYTES, PACKED_LIMIT_BYTES } from '../../src/chunk/limits.js';
import { payloadHeader } from '../../src/chunk/payload-header.js';
import { isUnfit, recutFile } from '../../src/content/packing/recut.js';
import { copyCached } from '../../src/native/chunk-cache.js';
import { heldChunks } from '../../src/native/holds.js';
import { bodyOf, TestLiveStore } from '../support/live-store.js';
import { Random } from '../support/random.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const random = new Random(21);

async function write(store: TestLiveStore, ino: number, bytes: Buffer, offset = 0): Promise<void> {
  const content = store.openFile(ino);
  for (let at = 0; at < bytes.length; at += MIB) {
    await content.write(offset + at, bodyOf(bytes.subarray(at, at + MIB)));
  }
  await store.live.contents.close(ino);
}

async function makeFile(
  store: TestLiveStore,
  name: string,
  bytes: Buffer,
  chunker: ChunkerKind = CHUNKER_DYNAMIC,
): Promise<number> {
  const ino = store.makeFile(name, chunker);
  await write(store, ino, bytes);
  return ino;
}

function chunksOf(store: TestLiveStore, ino: number): ChunkExtent[] {
  const size = store.datastore.catalog.inodes.find(ino)?.size ?? 0;
  const extents = [...store.datastore.catalog.extents.all(ino)];
  for (const extent of extents) assert.ok(!isUnfit(extent, size), `${extent.kind} at ${extent.offset} is unfit`);
  return extents as ChunkExtent[];
}

function inserts(store: TestLiveStore): number {
  return store.live.parts.chunks.counters.inserts;
}

test('small files are packed behind their payload headers into shared chunks, sorted by path', async (t) => {
  const store = await TestLiveStore.make(t);
  const contents = ['c', 'a', 'b'].map((name) => ({ name, bytes: random.bytes(1000 + name.charCodeAt(0)) }));
  const inos = new Map<string, number>();
  for (const { name, bytes } of contents) inos.set(name, await makeFile(store, name, bytes));
  assert.equal(store.datastore.catalog.inodes.find(inos.get('a') ?? 0)?.storage, 0, 'packed before it was packed');
  const before = inserts(store);
  await store.live.packer.run();
  assert.equal(inserts(store), before + 1);
  let at = 0;
  for (const { name, bytes } of contents.sort((x, y) => x.name.localeCompare(y.name))) {
    const ino = inos.get(name) ?? 0;
    assert.equal(store.datastore.catalog.inodes.find(ino)?.storage, STORAGE_PACKED);
    const [extent, more] = [...store.datastore.catalog.extents.all(ino)];
    assert.ok(extent?.kind === 'chunk' && more === undefined);
    assert.equal(extent.at, at + 16);
    assert.ok((await store.read(ino)).equals(bytes));
    assert.deepEqual(copyCached(extent.digest, at, 16), payloadHeader(bytes.length));
    at += 16 + bytes.length;
  }
});

test('content seen before takes its piece, in the same run and later ones', async (t) => {
  const store = await TestLiveStore.make(t);
  const bytes = random.bytes(5000);
  const [a, b] = [await makeFile(store, 'a', bytes), await makeFile(store, 'b', bytes)];
  await store.live.packer.run();
  const before = inserts(store);
  const c = await makeFile(store, 'c', bytes);
  await store.live.packer.run();
  assert.equal(inserts(store), before);
  const places = [a, b, c].map((ino) => [...store.datastore.catalog.extents.all(ino)]);
  assert.deepEqual(places[1], places[0]);
  assert.deepEqual(places[2], places[0]);
});

test('packs are closed at file borders at about 256 KiB', async (t) => {
  const store = await TestLiveStore.make(t);
  const inos: number[] = [];
  for (let n = 0; n < 12; n++) inos.push(await makeFile(store, `f${n}`, random.bytes(100 * KIB)));
  await store.live.packer.run();
  const lengths = new Map<string, number>();
  for (const ino of inos) {
    const extent = store.datastore.catalog.extents.overlapping(ino, 0, 1)[0] as ChunkExtent;
    lengths.set(Buffer.from(extent.digest).toString('hex'), extent.chunkLength);
  }
  assert.equal(lengths.size, 4);
  for (const length of lengths.values()) assert.ok(length < PACK_TARGET_BYTES + PACKED_LIMIT_BYTES);
});

test('a file that changes while it is packed keeps the new bytes, and is packed by the next run', async (t) => {
  const store = await TestLiveStore.make(t);
  const ino = await makeFile(store, 'f', random.bytes(5000));
  const packing = store.live.packer.run();
  const bytes = random.bytes(6000);
  await write(store, ino, bytes);
  await packing;
  assert.ok((await store.read(ino)).equals(bytes));
  assert.equal(store.datastore.catalog.inodes.find(ino)?.storage, 0);
  await store.live.packer.run();
  assert.equal(store.datastore.catalog.inodes.find(ino)?.storage, STORAGE_PACKED);
  assert.ok((await store.read(ino)).equals(bytes));
});

test('a change in a large file renews the chunks around it and keeps all others', async (t) => {
  const store = await TestLiveStore.make(t);
  const bytes = random.bytes(20 * MIB);
  const ino = await makeFile(store, 'f', bytes);
  const before = chunksOf(store, ino);
  const patch = Buffer.from('patched');
  await write(store, ino, patch, 9 * MIB);
  bytes.set(patch, 9 * MIB);
  await store.live.packer.run();
  const after = chunksOf(store, ino);
  const old = new Set(before.map(({ digest }) => Buffer.from(digest).toString('hex')));
  const renewed = after.filter(({ digest }) => !old.has(Buffer.from(digest).toString('hex')));
  assert.ok(renewed.length >= 1 && renewed.length <= 4, `${renewed.length} of ${after.length} chunks are new`);
  assert.ok((await store.read(ino)).equals(bytes));
  const again = inserts(store);
  await store.live.packer.run();
  assert.equal(inserts(store), again, 'cut once more without need');
});

test('a file is cut the same after small growth as if it had been written at once', async (t) => {
  const store = await TestLiveStore.make(t);
  const bytes = random.bytes(7 * MIB);
  const grown = await makeFile(store, 'grown', bytes.subarray(0, 7 * MIB - 90 * KIB));
  await write(store, grown, bytes.subarray(7 * MIB - 90 * KIB), 7 * MIB - 90 * KIB);
  await store.live.packer.run();
  const whole = await makeFile(store, 'whole', bytes);
  assert.deepEqual(chunksOf(store, grown), chunksOf(store, whole));
});

test('holes stay holes, and cutting ends at them', async (t) => {
  const store = await TestLiveStore.make(t);
  const ino = store.makeFile('f');
  await write(store, ino, random.bytes(3 * MIB), MIB);
  await write(store, ino, random.bytes(200), 9 * MIB);
  await store.live.packer.run();
  const extents = chunksOf(store, ino);
  assert.equal(extents[0]?.offset, MIB);
  assert.equal(extents.at(-1)?.offset, 9 * MIB);
  assert.equal(extents.at(-1)?.length, 200);
  assert.equal(store.datastore.catalog.extents.nextData(ino, 4 * MIB), 9 * MIB);
});

test('the length of a hole makes no difference to the work', async (t) => {
  const store = await TestLiveStore.make(t);
  const { extents } = store.datastore.catalog;
  const overlapping = t.mock.method(extents, 'overlapping', extents.overlapping.bind(extents));
  const looksFor = async (name: string, size: number): Promise<number> => {
    const ino = store.makeFile(name);
    const content = store.openFile(ino);
    await content.write(0, bodyOf(random.bytes(1000)));
    await content.truncate(size, { seconds: 1, nanoseconds: 0 });
    await store.live.contents.close(ino);
    const before = overlapping.mock.callCount();
    await store.live.packer.run();
    chunksOf(store, ino);
    return overlapping.mock.callCount() - before;
  };
  assert.equal(await looksFor('long', 2 ** 44), await looksFor('short', 2 ** 22));
});

test('images are cut at multiples of 4 MiB from the start, whatever was written in what order', async (t) => {
  const store = await TestLiveStore.make(t);
  const bytes = random.bytes(13 * MIB);
  const whole = await makeFile(store, 'whole', bytes, CHUNKER_FIXED);
  const pieces = store.makeFile('pieces', CHUNKER_FIXED);
  for (const [start, end] of [
    [5, 6],
    [0, 3],
    [3, 5],
    [6, 11],
    [11, 13],
  ] as const) {
    await write(store, pieces, bytes.subarray(start * MIB, end * MIB), start * MIB);
    if (end === 5) await store.live.packer.run();
  }
  await store.live.packer.run();
  assert.deepEqual(chunksOf(store, pieces), chunksOf(store, whole));
  assert.ok((await store.read(pieces)).equals(bytes));
  const before = inserts(store);
  await write(store, pieces, Buffer.from('patched'), 6 * MIB);
  await store.live.packer.run();
  assert.equal(inserts(store), before + 1);
});

test('what is written into a large file here and there rests in the journal until the file has come to rest', async (t) => {
  const clock = { seconds: 10_000, now: () => ({ seconds: clock.seconds, nanoseconds: 0 }) };
  const store = await TestLiveStore.make(t, { clock });
  const ino = await makeFile(store, 'image', random.bytes(8 * MIB), CHUNKER_FIXED);
  const packed = t.mock.method(store.live.parts.sink, 'store');
  const { packer } = store.live;
  const tick = async () => {
    packer.tick();
    packer.tick();
    await packer.idle();
  };
  for (let write = 0; write < 3; write++) {
    await write4KiB(store, ino, write * 4 * KIB);
    clock.seconds += 2;
    await tick();
  }
  assert.equal(packed.mock.callCount(), 0, 'cut between two writes');
  clock.seconds += 10;
  await tick();
  assert.equal(packed.mock.callCount(), 1);
  assert.equal(chunksOf(store, ino).length, 2);
});

async function write4KiB(store: TestLiveStore, ino: number, offset: number): Promise<void> {
  await write(store, ino, random.bytes(4 * KIB), offset);
}

test('a large file that is written to all the time is cut when the journal has grown, what rested longest first', async (t) => {
  const store = await TestLiveStore.make(t, { clock: { now: () => ({ seconds: 10_000, nanoseconds: 0 }) } });
  const ino = await makeFile(store, 'image', random.bytes(12 * MIB), CHUNKER_FIXED);
  const { packer, parts } = store.live;
  const content = store.openFile(ino);
  await content.write(0, bodyOf(random.bytes(4 * KIB)));
  await content.flush();
  const oldest = parts.journal.currentSegment;
  t.mock.getter(parts.journal, 'bytes', () => 2 ** 40);
  t.mock.method(parts.journal, 'segments', () => [oldest - 1, oldest, oldest + 1]);
  const other = store.makeFile('other');
  const bytes = random.bytes(MIB);
  for (let at = 1; parts.journal.currentSegment === oldest; at += 2) await write(store, other, bytes, at * MIB);
  await content.write(8 * MIB, bodyOf(random.bytes(4 * KIB)));
  await content.flush();
  await content.write(4 * MIB, bodyOf(random.bytes(4 * KIB)));
  assert.ok(content.dirty);
  const expected = await store.read(ino);
  packer.tick();
  await packer.idle();
  const kinds = [...store.datastore.catalog.extents.all(ino)].map(({ kind, offset }) => `${kind} ${offset / MIB}`);
  assert.deepEqual(kinds.slice(0, 3), ['chunk 0', 'chunk 4', 'journal 8']);
  assert.ok((await store.read(ino)).equals(expected));
  await store.live.contents.close(ino);
});

test('writes that come while a file is cut keep only the chunks they hit from taking their place', async (t) => {
  const store = await TestLiveStore.make(t);
  const ino = await makeFile(store, 'image', random.bytes(32 * MIB), CHUNKER_FIXED);
  for (let cell = 0; cell < 8; cell++) await write4KiB(store, ino, cell * 4 * MIB);
  const { sink } = store.live.parts;
  const real = sink.store.bind(sink);
  let hit = false;
  const storing = t.mock.method(sink, 'store', async (...given: Parameters<typeof real>) => {
    if (!hit) {
      hit = true;
      await write4KiB(store, ino, 13 * MIB);
    }
    return real(...given);
  });
  await store.live.packer.run();
  assert.equal(storing.mock.callCount(), 8 + 1, 'each stretch once, and the one that was hit once more');
  assert.equal(chunksOf(store, ino).length, 8);
});

/** Writes 64 bytes at each of so many places, `stride` bytes apart. */
async function writePieces(store: TestLiveStore, ino: number, count: number, stride: number): Promise<void> {
  const content = store.openFile(ino);
  for (let n = 0; n < count; n++) await content.write(n * stride, bodyOf(random.bytes(64)));
  await store.live.contents.close(ino);
}

test('more pieces than are read at a time come together in order, with the holes between them', async (t) => {
  const store = await TestLiveStore.make(t);
  const small = store.makeFile('small');
  await writePieces(store, small, 600, 200);
  const image = await makeFile(store, 'image', random.bytes(12 * MIB), CHUNKER_FIXED);
  await writePieces(store, image, 700, 16 * KIB + 8);
  const expected = [await store.read(small), await store.read(image)];
  for (const ino of [small, image]) {
    const pieces = [...store.datastore.catalog.extents.all(ino)].length;
    assert.ok(pieces >= 600, `only ${pieces} pieces`);
  }
  await store.live.packer.run();
  assert.ok((await store.read(small)).equals(expected[0] as Buffer));
  assert.ok((await store.read(image)).equals(expected[1] as Buffer));
  assert.equal(store.datastore.catalog.inodes.find(small)?.storage, STORAGE_PACKED);
  assert.equal(chunksOf(store, image).length, 3);
});

test('of many small files one piece each is read at a time, as each takes a descriptor', async (t) => {
  const store = await TestLiveStore.make(t);
  const files = 20;
  for (let n = 0; n < files; n++) await writePieces(store, store.makeFile(`log${n}`), 40, 100);
  const { journal } = store.live.parts;
  const real = journal.descriptor.bind(journal);
  let [asked, most] = [0, 0];
  t.mock.method(journal, 'descriptor', (segment: number) => {
    // Reads asked for before any has ended.
    if (asked === 0) setImmediate(() => (asked = 0));
    asked += 1;
    most = Math.max(most, asked);
    return real(segment);
  });
  await store.live.packer.run();
  assert.ok(most >= 1 && most <= 2 * files, `${most} reads at a time of ${files} files`);
});

test('a chunk that cannot be stored keeps its bytes in the journal, and nothing that was stored beside it held', async (t) => {
  const store = await TestLiveStore.make(t);
  const ino = await makeFile(store, 'image', random.bytes(32 * MIB), CHUNKER_FIXED);
  await store.commitAll();
  const held = heldChunks().length;
  for (let cell = 0; cell < 8; cell++) await write4KiB(store, ino, cell * 4 * MIB);
  const expected = await store.read(ino);
  const { parts } = store.live;
  const real = parts.sink.store.bind(parts.sink);
  let calls = 0;
  const storing = t.mock.method(parts.sink, 'store', (...given: Parameters<typeof real>) => {
    calls += 1;
    return calls === 3 ? Promise.reject(new Error('the disk is gone')) : real(...given);
  });
  const inode = store.datastore.catalog.inodes.find(ino);
  assert.ok(inode !== undefined);
  await assert.rejects(recutFile(parts, inode), /the disk is gone/);
  assert.equal(calls, 8, 'others wait for the one that fails');
  assert.equal(heldChunks().length, held);
  assert.ok((await store.read(ino)).equals(expected));
  storing.mock.restore();
  await store.live.packer.run();
  assert.ok((await store.read(ino)).equals(expected));
  assert.equal(chunksOf(store, ino).length, 8);
});

test('the search for what is to be cut goes on where it was', async (t) => {
  const store = await TestLiveStore.make(t);
  const ino = await makeFile(store, 'image', random.bytes(64 * MIB), CHUNKER_FIXED);
  for (let at = 0; at < 64 * MIB; at += 8 * MIB) await write4KiB(store, ino, at);
  const { extents } = store.datastore.catalog;
  const real = extents.all.bind(extents);
  let seen = 0;
  t.mock.method(extents, 'all', function* (...given: Parameters<typeof real>) {
    for (const extent of real(...given)) {
      seen += 1;
      yield extent;
    }
  });
  await store.live.packer.run();
  assert.ok(seen <= 3 * 16, `${seen} extents were looked at for 8 cuts among 16 chunks`);
  assert.equal(chunksOf(store, ino).length, 16);
});

test('nothing stays held once all is committed', async (t) => {
  const store = await TestLiveStore.make(t);
  const held = heldChunks().length;
  const ino = await makeFile(store, 'large', random.bytes(6 * MIB));
  await makeFile(store, 'small', random.bytes(600));
  assert.ok(heldChunks().length > held, 'chunks no commit names are not held');
  await write(store, ino, random.bytes(60), 3 * MIB);
  await store.live.packer.run();
  await store.commitAll();
  assert.equal(heldChunks().length, held);
});

test('what a recut gives out keeps its pieces: a snapshot job swaps them into the live tree later', async (t) => {
  const store = await TestLiveStore.make(t);
  const ino = await makeFile(store, 'grows', random.bytes(PACKED_LIMIT_BYTES));
  await write(store, ino, random.bytes(10 * KIB), PACKED_LIMIT_BYTES);
  const made: Change[] = [];
  const { parts } = store.live;
  const inode = store.datastore.catalog.inodes.find(ino);
  assert.ok(inode !== undefined);
  const log = {
    make: (change: Change) => {
      made.push(change);
      return true;
    },
  };
  await recutFile({ ...parts, tree: { extents: store.datastore.catalog.extents }, log }, inode);
  const [change] = made;
  assert.ok(change?.kind === 'content');
  const bytes = change.extents.reduce((sum, { length }) => sum + length, 0);
  assert.equal(bytes, change.end - change.start);
  assert.ok(parts.log.make(change));
  assert.equal(store.datastore.catalog.inodes.find(ino)?.allocated, PACKED_LIMIT_BYTES + 10 * KIB);
});
