import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChunkSet } from '../../src/catalog/chunk-set.js';
import { STORAGE_PACKED } from '../../src/catalog/inode.js';
import type { Catalog } from '../../src/catalog/open.js';
import { type CatalogReader, openCatalogReader } from '../../src/catalog/open-reader.js';
import { PackUse } from '../../src/catalog/pack-use.js';
import { chunkExtent, content, digestOf, FILE, make, makeCatalog } from '../support/catalog.js';

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');

function packedFile(catalog: Catalog, parent: number, name: string, pack: string, at: number): number {
  const ino = make(catalog, parent, name, FILE);
  const change = content(ino, 0, 100, [chunkExtent(0, 100, pack, at)], 100);
  catalog.apply({ ...change, storage: STORAGE_PACKED, contentDigest: digestOf(`${pack} ${at}`) });
  return ino;
}

/** Walks all extents in steps of one. */
function used(reader: CatalogReader): { set: ChunkSet; use: PackUse } {
  const set = new ChunkSet();
  const use = new PackUse();
  let at: ReturnType<CatalogReader['sets']['addLive']> | undefined;
  do at = reader.sets.addLive(set, at, 1, use);
  while (!at.done);
  return { set, use };
}

test('every chunk is present that is in no other state, as sets and with what is known of it', (t) => {
  const { catalog, path } = makeCatalog(t);
  const names = Array.from({ length: 50 }, (_, n) => `chunk ${n}`);
  for (const [n, name] of names.entries()) catalog.chunks.setPresent(digestOf(name), 1000 + n, n);
  catalog.chunks.setState(digestOf('chunk 3'), 'absent');
  catalog.chunks.setState(digestOf('chunk 4'), 'quarantined');
  catalog.chunks.setState(digestOf('chunk 49'), 'bad');
  catalog.transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  const members = [...reader.collection.members(reader.collection.present())];
  const wanted = names.filter((_, n) => ![3, 4, 49].includes(n)).map((name) => hex(digestOf(name)));
  assert.deepEqual(members.map(({ digest }) => hex(digest)).sort(), wanted.sort());
  assert.equal(members.find(({ digest }) => digestOf('chunk 7').equals(digest))?.stored, 7);
});

test('an empty catalog has no chunks', (t) => {
  const { catalog, path } = makeCatalog(t);
  catalog.transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  assert.equal(reader.collection.present().size, 0);
});

test('pieces are lost whose chunk is gone for good, and are cleared away if they still are', (t) => {
  const { catalog, path, current } = makeCatalog(t);
  for (const at of [0, 100, 200]) packedFile(catalog, current, `a${at}`, 'pack a', at);
  for (const at of [0, 100]) packedFile(catalog, current, `b${at}`, 'pack b', at);
  packedFile(catalog, current, 'c', 'pack c', 0);
  catalog.chunks.setState(digestOf('pack a'), 'absent');
  catalog.chunks.setState(digestOf('pack b'), 'quarantined');
  catalog.transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  const lost: string[] = [];
  for (let after: Uint8Array | undefined = Buffer.alloc(0); after !== undefined; ) {
    const step = reader.collection.lostPieces(after, 2);
    lost.push(...step.contents.map(hex));
    after = step.next;
  }
  const ofA = [0, 100, 200].map((at) => digestOf(`pack a ${at}`));
  assert.deepEqual(lost.sort(), ofA.map(hex).sort(), 'those in quarantine may come back');
  catalog.transactions.begin();
  catalog.chunks.setPresent(digestOf('pack a'), 1000, 400);
  catalog.pieces.removeLost(ofA);
  assert.ok(catalog.pieces.find(ofA[0]!), 'its chunk was stored anew meanwhile');
});

test('packs are found of which live files use less than half, and the files in them', (t) => {
  const { catalog, path, current } = makeCatalog(t);
  // Each pack has 1,000 bytes; a file takes 100 and 16 for its header.
  const few = [16, 132, 248].map((at) => packedFile(catalog, current, `few ${at}`, 'few', at));
  for (const at of [16, 132, 248, 364, 480]) packedFile(catalog, current, `many ${at}`, 'many', at);
  const shared = Array.from({ length: 9 }, (_, n) => packedFile(catalog, current, `shared ${n}`, 'shared', 16));
  packedFile(catalog, current, 'pinned', 'pinned', 500);
  const large = make(catalog, current, 'large', FILE);
  catalog.apply(content(large, 0, 100, [chunkExtent(0, 100, 'large', 0)], 100));
  catalog.transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  const { set, use } = used(reader);
  assert.equal(set.size, 5);
  const pinned = new ChunkSet();
  reader.sets.addKnown(pinned, [digestOf('pinned'), digestOf('large')]);
  const packs = reader.packs.halfDead(use, pinned);
  const found = [...reader.sets.digests(packs.free)].map(hex).sort();
  assert.deepEqual(found, [digestOf('few'), digestOf('shared')].map(hex).sort(), 'shared content counts once');
  assert.deepEqual(packs.freeFigures, { packs: 2, usedBytes: 464, deadBytes: 1536, storedBytes: 800 });
  assert.deepEqual(packs.pinnedFigures, { packs: 1, usedBytes: 116, deadBytes: 884, storedBytes: 400 });
  const inos: number[] = [];
  for (let after: number | undefined = 0; after !== undefined; ) {
    const step = reader.packs.filesIn(packs.free, after, 3);
    inos.push(...step.inos);
    after = step.next;
  }
  assert.deepEqual(inos, [...few, ...shared]);
});
