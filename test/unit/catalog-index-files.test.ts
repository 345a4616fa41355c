import assert from 'node:assert/strict';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import type { ChunkState } from '../../src/catalog/counters.js';
import type { IndexFile } from '../../src/catalog/index-files.js';
import { type Catalog, openCatalog } from '../../src/catalog/open.js';
import { openCatalogReader } from '../../src/catalog/open-reader.js';
import { chunkExtent, content, digestOf, FILE, make, makeCatalog, ofKind } from '../support/catalog.js';

function indexFile(path: string): IndexFile {
  return {
    ...{ path, kind: 'dynamic', checksum: digestOf(path), header: Buffer.alloc(96, path) },
    ...{ fileBytes: 4096 + 120, chunkCount: 3, contentBytes: 3000 },
  };
}

function record(catalog: Catalog, path: string, chunks: readonly string[], state: ChunkState = 'present'): void {
  const gathered = catalog.indexFiles.gather();
  for (const chunk of chunks) catalog.indexFiles.addChunks(gathered, [{ digest: digestOf(chunk), length: 10 }], state);
  catalog.indexFiles.put(indexFile(path), gathered);
  gathered.set.dispose();
}

function whole<T>(result: { kind: 'whole'; value: T } | { kind: 'damaged'; paths: readonly string[] } | undefined): T {
  assert.equal(result?.kind, 'whole');
  return (result as { value: T }).value;
}

test('an index file is recorded with its set of chunks', (t) => {
  const { catalog, path } = makeCatalog(t);
  record(catalog, 'host/a/1/root.didx', ['x', 'y', 'z', 'x']);
  record(catalog, 'host/a/1/more.didx', ['y', 'w']);
  assert.deepEqual(catalog.indexFiles.find('host/a/1/root.didx'), indexFile('host/a/1/root.didx'));
  assert.equal(catalog.indexFiles.find('host/a/1'), undefined);
  assert.deepEqual(
    catalog.indexFiles.list('', 10).map((file) => file.path),
    ['host/a/1/more.didx', 'host/a/1/root.didx'],
  );
  assert.deepEqual(catalog.indexFiles.list('host/a/1/more.didx', 10).length, 1);
  catalog.transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  const set = whole(reader.sets.find('host/a/1/root.didx'));
  assert.deepEqual(
    [...reader.sets.digests(set)].sort(Buffer.compare),
    ['x', 'y', 'z'].map(digestOf).sort(Buffer.compare),
  );
  assert.deepEqual(
    ['x', 'w', 'unheard of'].map((chunk) => reader.sets.has(set, digestOf(chunk))),
    [true, false, false],
  );
  const union = whole(reader.sets.union());
  assert.equal(union.size, 4);
  assert.deepEqual(reader.sets.addKnown(union, [digestOf('w'), digestOf('unheard of')]), [digestOf('unheard of')]);
  for (const each of [set, union]) each.dispose();
  assert.equal(reader.sets.find('none'), undefined);
});

test('an index file recorded again replaces the former, a removed one is gone', (t) => {
  const { catalog } = makeCatalog(t);
  record(catalog, 'a/1/x.didx', ['x', 'y']);
  record(catalog, 'a/1/x.didx', ['z']);
  assert.equal(whole(catalog.sets.find('a/1/x.didx')).size, 1);
  assert.equal(catalog.indexFiles.remove('a/1/x.didx'), true);
  assert.equal(catalog.indexFiles.remove('a/1/x.didx'), false);
  assert.equal(whole(catalog.sets.union()).size, 0);
  const short = { ...indexFile('b'), header: Buffer.alloc(95) };
  assert.throws(() => catalog.indexFiles.put(short, catalog.indexFiles.gather()), ofKind('invalid'));
});

test('chunks nobody named before get the state that is assumed, others keep theirs', (t) => {
  const { catalog } = makeCatalog(t);
  catalog.chunks.setPresent(digestOf('known'), 1000, 400);
  record(catalog, 'a/1/x.didx', ['known', 'new'], 'absent');
  assert.equal(catalog.chunks.find(digestOf('known'))?.state, 'present');
  assert.deepEqual(catalog.chunks.find(digestOf('new')), { length: 10, stored: 0, state: 'absent', verifiedAt: 0 });
});

test('an index file like another one takes its set, one that lists others does not', (t) => {
  const { catalog } = makeCatalog(t);
  record(catalog, 'a/1/x.didx', ['x', 'y']);
  const again = { ...indexFile('a/2/x.didx'), checksum: digestOf('a/1/x.didx') };
  assert.equal(catalog.indexFiles.putLike(again, 'a/0/x.didx'), false);
  assert.equal(catalog.indexFiles.putLike(indexFile('a/2/x.didx'), 'a/1/x.didx'), false);
  assert.equal(catalog.indexFiles.putLike({ ...again, chunkCount: 2 }, 'a/1/x.didx'), false);
  assert.equal(catalog.indexFiles.find('a/2/x.didx'), undefined);
  assert.equal(catalog.indexFiles.putLike(again, 'a/1/x.didx'), true);
  assert.deepEqual(catalog.indexFiles.find('a/2/x.didx'), again);
  const [first, second] = ['a/1/x.didx', 'a/2/x.didx'].map((path) => whole(catalog.sets.find(path)));
  assert.deepEqual([...catalog.sets.digests(second!)], [...catalog.sets.digests(first!)]);
});

test('a damaged set is told, never taken as empty', (t) => {
  const { catalog, path } = makeCatalog(t);
  record(catalog, 'a/1/x.didx', ['x']);
  record(catalog, 'a/2/x.didx', ['y']);
  record(catalog, 'a/3/x.didx', ['z']);
  catalog.transactions.commit(1);
  catalog.close();
  const other = new Database(path);
  other.exec("UPDATE index_files SET chunk_set = x'' WHERE path = 'a/1/x.didx'");
  const swapped = "(SELECT chunk_set FROM index_files WHERE path = 'a/3/x.didx')";
  const checksum = "(SELECT set_checksum FROM index_files WHERE path = 'a/3/x.didx')";
  other.exec(`UPDATE index_files SET chunk_set = ${swapped}, set_checksum = ${checksum} WHERE path = 'a/2/x.didx'`);
  other.close();
  const again = openCatalog(path);
  t.after(() => again.close());
  const damaged = { kind: 'damaged', paths: ['a/1/x.didx', 'a/2/x.didx'] };
  assert.deepEqual(again.sets.find('a/1/x.didx'), { kind: 'damaged', paths: ['a/1/x.didx'] });
  assert.deepEqual(again.sets.union(), damaged);
  assert.deepEqual(again.sets.exclusive(['a/3/x.didx']), damaged);
  assert.deepEqual(again.sets.exclusiveByFolder(), damaged);
  again.transactions.begin();
  const like = { ...indexFile('a/4/x.didx'), checksum: digestOf('a/2/x.didx') };
  assert.equal(again.indexFiles.putLike(like, 'a/2/x.didx'), false);
  for (const [file, chunk] of [
    ['a/1/x.didx', 'x'],
    ['a/2/x.didx', 'y'],
  ] as const) {
    record(again, file, [chunk]);
  }
  assert.equal(whole(again.sets.union()).size, 3);
});

test('a set gathered across a rollback is void', (t) => {
  const { catalog } = makeCatalog(t);
  catalog.transactions.commit(1);
  catalog.transactions.begin();
  const gathered = catalog.indexFiles.gather();
  catalog.indexFiles.addChunks(gathered, [{ digest: digestOf('x'), length: 10 }], 'present');
  catalog.transactions.rollback();
  catalog.transactions.begin();
  catalog.indexFiles.addChunks(catalog.indexFiles.gather(), [{ digest: digestOf('other'), length: 10 }], 'present');
  const more = [{ digest: digestOf('y'), length: 10 }];
  assert.throws(() => catalog.indexFiles.addChunks(gathered, more, 'present'), ofKind('stale'));
  assert.throws(() => catalog.indexFiles.put(indexFile('a/1/x.didx'), gathered), ofKind('stale'));
});

test('exclusive sizes are what nothing else names', (t) => {
  const { catalog, current } = makeCatalog(t);
  for (const [chunk, stored] of Object.entries({ a: 1, b: 10, c: 100, d: 1000, live: 10_000 })) {
    catalog.chunks.setPresent(digestOf(chunk), 2 * stored, stored);
  }
  record(catalog, 'g/1/meta.didx', ['a', 'b']);
  record(catalog, 'g/1/payload.didx', ['b', 'c', 'live']);
  record(catalog, 'g/2/meta.didx', ['c']);
  record(catalog, 'g/3/meta.didx', ['d', 'd']);
  const stored = (paths: string[]) => catalog.sets.totals(whole(catalog.sets.exclusive(paths))).storedBytes;
  assert.equal(stored(['g/1/meta.didx']), 1);
  assert.equal(stored(['g/1/meta.didx', 'g/1/payload.didx']), 10_011);
  assert.equal(stored(['g/2/meta.didx']), 0);
  const byFolder = whole(catalog.sets.exclusiveByFolder());
  assert.deepEqual(
    [...byFolder].map(([folder, totals]) => [folder, totals.storedBytes, totals.chunks]),
    [
      ['g/1', 10_011, 3],
      ['g/2', 0, 0],
      ['g/3', 1000, 1],
    ],
  );
  const ino = make(catalog, current, 'file', FILE);
  catalog.apply(content(ino, 0, 100, [chunkExtent(0, 100, 'live')], 100));
  const live = catalog.indexFiles.gather().set;
  for (let at = catalog.sets.addLive(live, undefined, 1); !at.done; ) at = catalog.sets.addLive(live, at, 1);
  assert.deepEqual([...catalog.sets.digests(live)], [digestOf('live')]);
  assert.equal(whole(catalog.sets.exclusiveByFolder(live)).get('g/1')?.storedBytes, 11);
  const kept = whole(catalog.sets.exclusive(['g/1/meta.didx', 'g/1/payload.didx'], live));
  assert.equal(catalog.sets.totals(kept).storedBytes, 11);
});

test('a large set takes little room and time', (t) => {
  const { catalog } = makeCatalog(t);
  const gathered = catalog.indexFiles.gather();
  for (let n = 0; n < 20_000; n += 1000) {
    const slice = Array.from({ length: 1000 }, (_, k) => ({ digest: digestOf(`${n + k}`), length: 10 }));
    catalog.indexFiles.addChunks(gathered, slice, 'present');
  }
  assert.equal(gathered.set.size, 20_000);
  const before = catalog.space.figures();
  catalog.indexFiles.put(indexFile('a/1/x.didx'), gathered);
  const after = catalog.space.figures();
  assert.ok(after.fileBytes - before.fileBytes < 20_000, 'ids given out one after the other are a few runs');
  assert.equal(whole(catalog.sets.union()).size, 20_000);
});
