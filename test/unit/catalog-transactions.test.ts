import assert from 'node:assert/strict';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { Connection } from '../../src/catalog/connection.js';
import { Counters } from '../../src/catalog/counters.js';
import { applyCreate } from '../../src/catalog/name-changes.js';
import { openCatalog } from '../../src/catalog/open.js';
import { openCatalogReader, openCheckpointer } from '../../src/catalog/open-reader.js';
import { makeTables } from '../../src/catalog/tables.js';
import { Transactions } from '../../src/catalog/transactions.js';
import {
  bytes,
  content,
  FILE,
  FOLDER,
  journalExtent,
  make,
  makeCatalog,
  newInode,
  ofKind,
} from '../support/catalog.js';

test('a commit stores what was applied, the sequence and the next numbers', (t) => {
  const { catalog, path, current } = makeCatalog(t);
  const ino = make(catalog, current, 'a', FILE);
  const unused = catalog.inodes.allocate();
  catalog.transactions.commit(42);
  assert.equal(catalog.transactions.state, 'none');
  catalog.close();
  const again = openCatalog(path);
  t.after(() => again.close());
  assert.equal(again.transactions.appliedSequence(), 42);
  assert.equal(again.names.lookup(current, bytes('a')), ino);
  assert.equal(again.inodes.allocate(), unused + 1);
});

test('a rollback takes back rows, totals and what is cached', (t) => {
  const { catalog, current } = makeCatalog(t);
  const kept = make(catalog, current, 'kept', FILE);
  catalog.transactions.commit(1);
  const before = catalog.figures();
  catalog.transactions.begin();
  const gone = make(catalog, current, 'gone', FILE);
  catalog.apply(content(kept, 0, 10, [journalExtent(0, 10, 1)], 10));
  catalog.chunks.setPresent(Buffer.alloc(32, 7), 100, 50);
  catalog.transactions.rollback();
  assert.deepEqual(catalog.figures(), before);
  assert.equal(catalog.inodes.find(gone), undefined);
  assert.equal(catalog.inodes.find(kept)?.size, 0);
  assert.equal(catalog.chunks.find(Buffer.alloc(32, 7)), undefined);
  assert.equal(catalog.transactions.state, 'none');
});

test('a replayed number is above every one allocated later', (t) => {
  const { catalog, current } = makeCatalog(t);
  const inode = newInode(5000, FILE);
  catalog.apply({ kind: 'create', parent: current, name: bytes('a'), inode, xattrs: [] });
  assert.equal(catalog.inodes.allocate(), 5001);
});

test('nothing is written outside a transaction', (t) => {
  const { catalog, current } = makeCatalog(t);
  catalog.transactions.commit(1);
  assert.throws(() => make(catalog, current, 'a', FILE), ofKind('io'));
  assert.throws(() => catalog.chunks.setPresent(Buffer.alloc(32), 1, 1), ofKind('io'));
  assert.throws(() => catalog.freedLists.empty(10), ofKind('io'));
  assert.throws(() => catalog.indexFiles.remove('a'), ofKind('io'));
  assert.throws(() => catalog.transactions.commit(2), ofKind('io'));
  catalog.transactions.begin();
  assert.throws(() => catalog.transactions.begin(), ofKind('busy'));
});

test('a change that contradicts the catalog changes nothing and leaves the transaction usable', (t) => {
  const { catalog, current } = makeCatalog(t);
  const folder = make(catalog, current, 'folder', FOLDER);
  make(catalog, folder, 'file', FILE);
  const before = JSON.stringify([catalog.inodes.find(current), catalog.inodes.find(folder), catalog.figures()]);
  const time = { timeSec: 9, timeNsec: 9 };
  assert.throws(() => make(catalog, current, 'folder', FILE), ofKind('corrupt'));
  const unlink = { kind: 'unlink', parent: current, ...time } as const;
  assert.throws(() => catalog.apply({ ...unlink, name: bytes('none') }), ofKind('corrupt'));
  assert.throws(() => catalog.apply({ ...unlink, name: bytes('folder') }), ofKind('not-empty'));
  assert.throws(() => catalog.apply({ kind: 'drop-orphan', ino: folder }), ofKind('corrupt'));
  assert.throws(() => catalog.apply({ kind: 'attributes', ino: 999, fields: { uid: 1 } }), ofKind('corrupt'));
  assert.equal(JSON.stringify([catalog.inodes.find(current), catalog.inodes.find(folder), catalog.figures()]), before);
  assert.equal(catalog.transactions.state, 'open');
  catalog.transactions.commit(1);
});

test('a change that fails half-way makes the transaction unusable until it is rolled back', (t) => {
  const { catalog, current } = makeCatalog(t);
  catalog.transactions.commit(1);
  catalog.transactions.begin();
  const inode = { ...newInode(100, FILE), uid: 1.5 };
  const change = { kind: 'create', parent: current, name: bytes('a'), inode, xattrs: [] } as const;
  assert.throws(() => catalog.apply(change), ofKind('corrupt'));
  assert.equal(catalog.transactions.state, 'failed');
  assert.throws(() => make(catalog, current, 'b', FILE), /roll it back/);
  assert.throws(() => catalog.transactions.commit(2), /roll it back/);
  catalog.transactions.rollback();
  catalog.transactions.begin();
  assert.equal(catalog.names.lookup(current, bytes('a')), undefined);
  make(catalog, current, 'b', FILE);
  catalog.transactions.commit(2);
});

test('a transaction that SQLite gave up by itself is noticed', (t) => {
  const { catalog, path, current } = makeCatalog(t);
  catalog.transactions.commit(3);
  catalog.close();
  const database = new Database(path);
  t.after(() => database.close());
  const connection = new Connection(database);
  const counters = new Counters(connection);
  const transactions: Transactions = new Transactions(connection, counters, () => tables.inodes.forget());
  const tables = makeTables(connection, counters, transactions);
  const makeFile = (n: number) => {
    const inode = newInode(1000 + n, FILE);
    const change = { kind: 'create', parent: current, name: bytes(`file ${n}`), inode, xattrs: [] } as const;
    transactions.write('make a file', () => applyCreate(tables, change));
  };
  transactions.begin();
  database.pragma(`max_page_count = ${database.pragma('page_count', { simple: true })}`);
  assert.throws(() => {
    for (let n = 0; n < 100_000; n++) makeFile(n);
  }, ofKind('no-space'));
  assert.equal(transactions.state, 'lost');
  assert.throws(() => makeFile(0), /rebuild it from the journal/);
  assert.throws(() => transactions.commit(4), /rebuild it from the journal/);
  assert.equal(tables.inodes.find(1000), undefined, 'the cache shows no row that is gone');
  transactions.rollback();
  assert.equal(transactions.appliedSequence(), 3);
  database.pragma('max_page_count = 100000');
  transactions.begin();
  makeFile(0);
  transactions.commit(4);
  assert.equal(transactions.rollbacks, 1);
});

test('checkpoints run beside the open transaction from a connection of their own', (t) => {
  const { catalog, path, current } = makeCatalog(t);
  for (let n = 0; n < 50; n++) make(catalog, current, `file ${n}`, FILE);
  catalog.transactions.commit(1);
  catalog.transactions.begin();
  make(catalog, current, 'open', FILE);
  assert.throws(() => catalog.transactions.checkpoint('passive'), ofKind('busy'));
  const checkpointer = openCheckpointer(path);
  const done = checkpointer.checkpoint();
  checkpointer.close();
  assert.equal(done.busy, false);
  assert.ok(done.logPages > 0);
  assert.equal(done.copiedPages, done.logPages);
  catalog.transactions.commit(2);
  assert.deepEqual(catalog.transactions.checkpoint('truncate'), { busy: false, logPages: 0, copiedPages: 0 });
});

test('a picture keeps pages in the log, and a checkpoint says so', (t) => {
  const { catalog, path, current } = makeCatalog(t);
  catalog.transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  assert.equal(reader.picture.begin(), 1);
  catalog.transactions.begin();
  make(catalog, current, 'a', FILE);
  catalog.transactions.commit(2);
  const partly = catalog.transactions.checkpoint('passive');
  assert.ok(partly.copiedPages < partly.logPages);
  reader.picture.end();
  const wholly = catalog.transactions.checkpoint('passive');
  assert.equal(wholly.copiedPages, wholly.logPages);
});

test('free pages can be given back', (t) => {
  const { catalog, current } = makeCatalog(t);
  const inos = Array.from({ length: 2000 }, (_, n) => make(catalog, current, `file ${n}`, FILE));
  catalog.transactions.commit(1);
  catalog.transactions.begin();
  inos.forEach((ino, n) => {
    catalog.apply({ kind: 'unlink', parent: current, name: bytes(`file ${n}`), timeSec: 1, timeNsec: 1 });
    catalog.apply({ kind: 'drop-orphan', ino });
  });
  catalog.transactions.commit(2);
  const before = catalog.space.figures();
  assert.ok(before.freeBytes > 100_000);
  catalog.space.shrink(10);
  const after = catalog.space.figures();
  assert.equal(before.freeBytes - after.freeBytes, 10 * 4096);
  assert.ok(after.fileBytes < before.fileBytes);
});
