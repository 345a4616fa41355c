import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Catalog } from '../../src/catalog/open.js';
import {
  bytes,
  chunkExtent,
  content,
  digestOf,
  extentsOf,
  FILE,
  FOLDER,
  journalExtent,
  make,
  makeCatalog,
  ofKind,
  shortDigest,
} from '../support/catalog.js';

const [A, B] = [shortDigest('a'), shortDigest('b')];

function fileOf(t: Parameters<typeof makeCatalog>[0], size: number): { catalog: Catalog; ino: number } {
  const { catalog, current } = makeCatalog(t);
  const ino = make(catalog, current, 'file', FILE);
  if (size > 0) catalog.apply(content(ino, 0, size, [chunkExtent(0, size, 'a')], size));
  return { catalog, ino };
}

function sizes(catalog: Catalog, ino: number): [size: number, allocated: number, journal: number] {
  const inode = catalog.inodes.find(ino)!;
  const journal = catalog.journalRefs.files(0, 10).find((file) => file.ino === ino)?.bytes ?? 0;
  return [inode.size, inode.allocated, journal];
}

/** Drops the file's only name and last handle. */
function dropFile(catalog: Catalog, parent: number, name: string, ino: number): void {
  catalog.apply({ kind: 'unlink', parent, name: bytes(name), timeSec: 1, timeNsec: 1 });
  catalog.apply({ kind: 'drop-orphan', ino });
}

test('content sets size, times, storage and version', (t) => {
  const { catalog, ino } = fileOf(t, 0);
  assert.equal(catalog.apply(content(ino, 0, 100, [journalExtent(0, 100, 3, 64)], 100)), true);
  const inode = catalog.inodes.find(ino)!;
  assert.deepEqual(
    [inode.size, inode.allocated, inode.version, inode.storage, inode.mtimeSec, inode.ctimeNsec],
    [100, 100, 1, 2, 3000, 5],
  );
  assert.deepEqual(extentsOf(catalog, ino), ['0+100 journal 3@64']);
});

test('a range in the middle splits the extent it lies in', (t) => {
  const { catalog, ino } = fileOf(t, 900);
  catalog.apply(content(ino, 300, 500, [journalExtent(300, 200, 1, 7)], 900));
  assert.deepEqual(extentsOf(catalog, ino), [`0+300 ${A}@0`, '300+200 journal 1@7', `500+400 ${A}@500`]);
  assert.deepEqual(sizes(catalog, ino), [900, 900, 200]);
});

test('a range cuts the extents at both of its borders and takes out what lies inside', (t) => {
  const { catalog, ino } = fileOf(t, 300);
  const second = [chunkExtent(300, 300, 'b', 100), journalExtent(600, 300, 1, 50)];
  catalog.apply(content(ino, 300, 900, second, 900));
  catalog.apply(content(ino, 200, 700, [chunkExtent(250, 10, 'b', 5)], 900));
  assert.deepEqual(extentsOf(catalog, ino), [`0+200 ${A}@0`, `250+10 ${B}@5`, '700+200 journal 1@150']);
  assert.deepEqual(sizes(catalog, ino), [900, 410, 200]);
});

test('a range that fits extents exactly leaves its neighbours alone', (t) => {
  const { catalog, ino } = fileOf(t, 300);
  catalog.apply(content(ino, 300, 600, [chunkExtent(300, 300, 'b')], 600));
  catalog.apply(content(ino, 300, 300, [], 600));
  catalog.apply(content(ino, 300, 600, [journalExtent(300, 300, 1)], 600));
  assert.deepEqual(extentsOf(catalog, ino), [`0+300 ${A}@0`, '300+300 journal 1@0']);
});

test('truncation cuts, growth makes a hole', (t) => {
  const { catalog, ino } = fileOf(t, 900);
  catalog.apply(content(ino, 0, 0, [], 250));
  assert.deepEqual(sizes(catalog, ino), [250, 250, 0]);
  catalog.apply(content(ino, 0, 0, [], 5000));
  assert.deepEqual(extentsOf(catalog, ino), [`0+250 ${A}@0`]);
  assert.deepEqual(sizes(catalog, ino), [5000, 250, 0]);
  catalog.apply(content(ino, 0, 0, [], 0));
  assert.deepEqual(extentsOf(catalog, ino), []);
  assert.deepEqual(sizes(catalog, ino), [0, 0, 0]);
});

test('what a change brings behind the new end is cut off too', (t) => {
  const { catalog, ino } = fileOf(t, 100);
  catalog.apply(content(ino, 50, 400, [chunkExtent(50, 100, 'b'), journalExtent(200, 200, 1)], 120));
  assert.deepEqual(extentsOf(catalog, ino), [`0+50 ${A}@0`, `50+70 ${B}@0`]);
  assert.deepEqual(sizes(catalog, ino), [120, 120, 0]);
});

test('a swap is refused unless the version fits, and leaves size and times alone', (t) => {
  const { catalog, ino } = fileOf(t, 0);
  catalog.apply(content(ino, 0, 100, [journalExtent(0, 100, 1)], 100));
  const before = catalog.inodes.find(ino)!;
  const swap = content(ino, 0, 100, [chunkExtent(0, 100, 'a')], 999);
  assert.equal(catalog.apply({ ...swap, mtimeSec: 1, ifVersion: 2 }), false);
  assert.equal(catalog.apply({ ...swap, ino: 999, ifVersion: 1 }), false);
  assert.equal(catalog.chunks.find(digestOf('a')), undefined, 'a refused swap makes no chunk known');
  assert.equal(catalog.apply({ ...swap, mtimeSec: 1, storage: 1, ifVersion: 1 }), true);
  assert.deepEqual(catalog.inodes.find(ino), { ...before, version: 2, storage: 1 });
  assert.deepEqual(extentsOf(catalog, ino), [`0+100 ${A}@0`]);
});

test('a swap that would make a hole of data is refused', (t) => {
  const { catalog, ino } = fileOf(t, 300);
  catalog.apply(content(ino, 300, 900, [journalExtent(300, 600, 1)], 1000));
  const before = extentsOf(catalog, ino);
  const refused = (start: number, end: number, extents: Parameters<typeof content>[3]): void => {
    const swap = { ...content(ino, start, end, extents, 1000), ifVersion: 2 };
    assert.throws(() => catalog.apply(swap), ofKind('corrupt'));
    assert.deepEqual(extentsOf(catalog, ino), before);
  };
  refused(300, 900, []);
  refused(200, 400, [chunkExtent(200, 199, 'b')]);
  refused(0, 1000, [chunkExtent(0, 899, 'b')]);
  const swap = content(ino, 200, 900, [chunkExtent(200, 700, 'b')], 1000);
  assert.equal(catalog.apply({ ...swap, ifVersion: 2 }), true);
});

test('a change makes its chunks and pieces known', (t) => {
  const { catalog, ino } = fileOf(t, 0);
  const packed = content(ino, 0, 100, [chunkExtent(0, 100, 'pack', 16)], 100);
  catalog.apply({ ...packed, storage: 1, contentDigest: digestOf('content') });
  assert.deepEqual(catalog.chunks.find(digestOf('pack')), {
    ...{ length: 1000, stored: 400, state: 'present', verifiedAt: 0 },
  });
  const piece = catalog.pieces.find(digestOf('content'));
  assert.deepEqual(piece, { digest: digestOf('pack'), at: 16, length: 100, chunkLength: 1000, storedLength: 400 });
  const inJournal = content(ino, 0, 50, [journalExtent(0, 50, 1)], 50);
  catalog.apply({ ...inJournal, contentDigest: digestOf('other') });
  assert.equal(catalog.pieces.find(digestOf('other')), undefined);
});

test('extents out of place are refused', (t) => {
  const { catalog, ino } = fileOf(t, 100);
  const before = catalog.inodes.find(ino);
  const refused = [
    [journalExtent(0, 0, 1)],
    [journalExtent(0, 101, 1)],
    [journalExtent(50, 10, 1), journalExtent(55, 10, 1)],
    [journalExtent(50, 10, 1), journalExtent(20, 10, 1)],
    [chunkExtent(0, 100, 'b', 901)],
  ];
  for (const extents of refused) {
    assert.throws(() => catalog.apply(content(ino, 0, 100, extents, 100)), ofKind('corrupt'), JSON.stringify(extents));
  }
  assert.throws(() => catalog.apply(content(ino, 0, 2 ** 60, [], 100)), ofKind('out-of-range'));
  assert.throws(() => catalog.apply(content(ino, 0, 1, [], 2 ** 53)), ofKind('out-of-range'));
  assert.deepEqual(catalog.inodes.find(ino), before);
  const { catalog: other, current } = makeCatalog(t);
  const folder = make(other, current, 'folder', FOLDER);
  assert.throws(() => other.apply(content(folder, 0, 1, [], 1)), ofKind('corrupt'));
});

test('overlapping finds what has bytes in a range', (t) => {
  const { catalog, ino } = fileOf(t, 100);
  catalog.apply(content(ino, 200, 400, [chunkExtent(200, 100, 'b'), journalExtent(300, 100, 1)], 500));
  const found = (start: number, end: number) => catalog.extents.overlapping(ino, start, end).map((e) => e.offset);
  assert.deepEqual(found(0, 500), [0, 200, 300]);
  assert.deepEqual(found(99, 200), [0]);
  assert.deepEqual(found(99, 201), [0, 200]);
  assert.deepEqual(found(100, 200), []);
  assert.deepEqual(found(250, 300), [200]);
  assert.deepEqual(found(299, 301), [200, 300]);
  assert.deepEqual(found(400, 500), []);
  assert.deepEqual(found(50, 50), []);
  assert.deepEqual(catalog.extents.overlapping(999, 0, 100), []);
});

test('data and holes are found', (t) => {
  const { catalog, ino } = fileOf(t, 100);
  catalog.apply(content(ino, 200, 400, [chunkExtent(200, 100, 'b'), journalExtent(300, 100, 1)], 500));
  const data = [0, 50, 100, 199, 200, 399, 400].map((offset) => catalog.extents.nextData(ino, offset));
  assert.deepEqual(data, [0, 50, 200, 200, 200, 399, undefined]);
  const holes = [0, 99, 100, 150, 200, 350, 400].map((offset) => catalog.extents.nextHole(ino, offset).offset);
  assert.deepEqual(holes, [100, 100, 100, 150, 400, 400, 400]);
  assert.deepEqual(catalog.extents.nextHole(ino, 200, 1), { offset: 400, found: false });
  assert.deepEqual(catalog.extents.nextHole(ino, 400, 1), { offset: 400, found: true });
  assert.deepEqual(catalog.extents.nextHole(999, 7), { offset: 7, found: true });
});

test('the journal is in use while an extent points into it', (t) => {
  const { catalog, ino } = fileOf(t, 0);
  assert.equal(catalog.journalRefs.oldestSegment(), undefined);
  catalog.apply(content(ino, 0, 200, [journalExtent(0, 100, 7), journalExtent(100, 100, 5)], 200));
  assert.equal(catalog.journalRefs.oldestSegment(), 5);
  assert.deepEqual(
    [5, 6, 7].map((n) => catalog.journalRefs.usesSegment(n)),
    [true, false, true],
  );
  assert.equal(catalog.figures().journalBytes, 200);
  catalog.apply({ ...content(ino, 100, 200, [chunkExtent(100, 100, 'a')], 200), ifVersion: 1 });
  assert.equal(catalog.journalRefs.oldestSegment(), 7);
  catalog.apply({ ...content(ino, 0, 100, [chunkExtent(0, 100, 'a')], 200), ifVersion: 2 });
  assert.equal(catalog.journalRefs.oldestSegment(), undefined);
  assert.deepEqual(catalog.journalRefs.files(0, 10), []);
});

test('a long list is freed in steps, and counts as use until then', (t) => {
  const { catalog, current } = makeCatalog(t);
  const ino = make(catalog, current, 'file', FILE);
  const extents = Array.from({ length: 2500 }, (_, n) => journalExtent(n * 10, 10, 4, n * 10));
  catalog.apply(content(ino, 0, 25_000, extents, 25_000));
  catalog.apply(content(ino, 0, 25_000, [journalExtent(0, 25_000, 9)], 25_000));
  assert.deepEqual(extentsOf(catalog, ino), ['0+25000 journal 9@0']);
  assert.equal(catalog.freedLists.hasAny(), true);
  assert.equal(catalog.journalRefs.oldestSegment(), 4);
  assert.deepEqual(
    [1000, 1000, 1000].map((rows) => catalog.freedLists.empty(rows)),
    [1000, 1000, 500],
  );
  assert.equal(catalog.freedLists.hasAny(), false);
  assert.equal(catalog.journalRefs.oldestSegment(), 9);
  dropFile(catalog, current, 'file', ino);
  assert.equal(catalog.journalRefs.oldestSegment(), undefined);
  assert.equal(catalog.figures().journalBytes, 0);
});

test('several freed lists are worked off in one step', (t) => {
  const { catalog, current } = makeCatalog(t);
  for (const name of ['a', 'b', 'c']) {
    const ino = make(catalog, current, name, FILE);
    const extents = Array.from({ length: 150 }, (_, n) => journalExtent(n * 10, 10, 4, n * 10));
    catalog.apply(content(ino, 0, 1500, extents, 1500));
    dropFile(catalog, current, name, ino);
  }
  assert.equal(catalog.freedLists.empty(200), 200);
  assert.equal(catalog.freedLists.empty(1000), 250);
  assert.equal(catalog.journalRefs.oldestSegment(), undefined);
});

test('truncating a long file to a short one queues the long tail', (t) => {
  const { catalog, current } = makeCatalog(t);
  const ino = make(catalog, current, 'file', FILE);
  const extents = Array.from({ length: 1500 }, (_, n) => journalExtent(n * 10, 10, 4, n * 10));
  catalog.apply(content(ino, 0, 15_000, extents, 15_000));
  catalog.apply(content(ino, 0, 0, [], 25));
  assert.deepEqual(extentsOf(catalog, ino), ['0+10 journal 4@0', '10+10 journal 4@10', '20+5 journal 4@20']);
  assert.deepEqual(sizes(catalog, ino), [25, 25, 25]);
  assert.equal(catalog.freedLists.empty(10_000), 1500);
});

test('truncation that leaves much and takes much does so in place', (t) => {
  const { catalog, current } = makeCatalog(t);
  const ino = make(catalog, current, 'file', FILE);
  const extents = Array.from({ length: 2500 }, (_, n) => journalExtent(n * 10, 10, 4, n * 10));
  catalog.apply(content(ino, 0, 25_000, extents, 25_000));
  catalog.apply(content(ino, 0, 0, [], 12_005));
  assert.equal(extentsOf(catalog, ino).length, 1201);
  assert.deepEqual(sizes(catalog, ino), [12_005, 12_005, 12_005]);
  assert.equal(catalog.freedLists.hasAny(), false);
});
