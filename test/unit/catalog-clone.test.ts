import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CloneChange } from '../../src/catalog/change.js';
import {
  chunkExtent,
  content,
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

function clone(ino: number, start: number, from: number, fromStart: number, length: number): CloneChange {
  const times = { mtimeSec: 4000, mtimeNsec: 6, ctimeSec: 4001, ctimeNsec: 7 };
  return { kind: 'clone', ino, start, from, fromStart, length, storage: 2, chunker: 1, ...times };
}

test('a clone of a whole file names the same pieces, holes among them, and takes size, times and kind', (t) => {
  const { catalog, current } = makeCatalog(t);
  const [from, to] = [make(catalog, current, 'a', FILE), make(catalog, current, 'b', FILE)];
  catalog.apply(content(from, 0, 900, [chunkExtent(0, 300, 'a'), journalExtent(600, 100, 3, 5)], 900));
  catalog.apply(clone(to, 0, from, 0, 900));
  assert.deepEqual(extentsOf(catalog, to), [`0+300 ${A}@0`, '600+100 journal 3@5']);
  const { size, allocated, mtimeSec, ctimeNsec, storage, chunker } = catalog.inodes.find(to)!;
  assert.deepEqual([size, allocated, mtimeSec, ctimeNsec, storage, chunker], [900, 400, 4000, 7, 2, 1]);
  assert.deepEqual(
    catalog.journalRefs.files(0, 10).map(({ ino }) => ino),
    [from, to],
  );
});

test('what changes afterwards in one of both leaves the other alone', (t) => {
  const { catalog, current } = makeCatalog(t);
  const [from, to] = [make(catalog, current, 'a', FILE), make(catalog, current, 'b', FILE)];
  catalog.apply(content(from, 0, 900, [chunkExtent(0, 900, 'a')], 900));
  catalog.apply(clone(to, 0, from, 0, 900));
  catalog.apply(content(from, 100, 200, [chunkExtent(100, 100, 'b')], 900));
  assert.deepEqual(extentsOf(catalog, to), [`0+900 ${A}@0`]);
  assert.deepEqual(extentsOf(catalog, from), [`0+100 ${A}@0`, `100+100 ${B}@0`, `200+700 ${A}@200`]);
});

test('a range takes the place of what was there, cut at its borders', (t) => {
  const { catalog, current } = makeCatalog(t);
  const [from, to] = [make(catalog, current, 'a', FILE), make(catalog, current, 'b', FILE)];
  catalog.apply(content(from, 0, 900, [chunkExtent(0, 300, 'a'), chunkExtent(400, 500, 'a')], 900));
  catalog.apply(content(to, 0, 500, [chunkExtent(0, 500, 'b')], 500));
  catalog.apply(clone(to, 100, from, 200, 300));
  assert.deepEqual(extentsOf(catalog, to), [`0+100 ${B}@0`, `100+100 ${A}@200`, `300+100 ${A}@0`, `400+100 ${B}@400`]);
  assert.equal(catalog.inodes.find(to)?.allocated, 400);
  assert.equal(catalog.inodes.find(to)?.size, 500);
});

test('a range copied in steps is one piece again, from either end', (t) => {
  const { catalog, current } = makeCatalog(t);
  const from = make(catalog, current, 'a', FILE);
  catalog.apply(content(from, 0, 900, [chunkExtent(0, 900, 'a')], 900));
  for (const [name, starts] of [
    ['up', [0, 300, 600]],
    ['down', [600, 300, 0]],
    ['middle last', [0, 600, 300]],
  ] as const) {
    const to = make(catalog, current, name, FILE);
    for (const start of starts) catalog.apply(clone(to, start, from, start, 300));
    assert.deepEqual(extentsOf(catalog, to), [`0+900 ${A}@0`], name);
    assert.equal(catalog.inodes.find(to)?.allocated, 900);
  }
});

test('a file is cloned into itself', (t) => {
  const { catalog, current } = makeCatalog(t);
  const ino = make(catalog, current, 'a', FILE);
  catalog.apply(content(ino, 0, 900, [chunkExtent(0, 300, 'a'), chunkExtent(300, 600, 'b')], 900));
  catalog.apply(clone(ino, 1000, ino, 200, 200));
  assert.deepEqual(extentsOf(catalog, ino), [`0+300 ${A}@0`, `300+600 ${B}@0`, `1000+100 ${A}@200`, `1100+100 ${B}@0`]);
  assert.equal(catalog.inodes.find(ino)?.size, 1200);
});

test('what cannot be cloned is refused and changes nothing', (t) => {
  const { catalog, current } = makeCatalog(t);
  const [from, to] = [make(catalog, current, 'a', FILE), make(catalog, current, 'b', FILE)];
  const folder = make(catalog, current, 'c', FOLDER);
  catalog.apply(content(from, 0, 900, [chunkExtent(0, 900, 'a')], 900));
  for (const change of [
    clone(to, 0, from, 0, 901),
    clone(to, 0, from, 0, 0),
    clone(from, 100, from, 0, 101),
    clone(folder, 0, from, 0, 10),
    clone(to, 0, folder, 0, 10),
    clone(to, 0, 999_999, 0, 10),
  ]) {
    assert.throws(() => catalog.apply(change), ofKind('corrupt'));
  }
  assert.deepEqual(extentsOf(catalog, to), []);
  assert.equal(catalog.transactions.state, 'open');
});

test('reach() ends where more extents begin than wanted', (t) => {
  const { catalog, current } = makeCatalog(t);
  const ino = make(catalog, current, 'a', FILE);
  const extents = Array.from({ length: 20 }, (_, n) => chunkExtent(n * 100, 50, String(n)));
  catalog.apply(content(ino, 0, 2000, extents, 2000));
  assert.equal(catalog.extents.reach(ino, 0, 2000, 5), 600);
  assert.equal(catalog.extents.reach(ino, 130, 2000, 3), 500);
  assert.equal(catalog.extents.reach(ino, 0, 2000, 100), 2000);
  assert.equal(catalog.extents.reach(ino, 0, 550, 5), 550);
  assert.equal(catalog.extents.reach(make(catalog, current, 'empty', FILE), 0, 77, 1), 77);
});
