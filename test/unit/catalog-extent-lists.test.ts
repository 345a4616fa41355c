import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import { Connection } from '../../src/catalog/connection.js';
import { applyContent } from '../../src/catalog/content-change.js';
import { Counters } from '../../src/catalog/counters.js';
import { Extents } from '../../src/catalog/extents.js';
import { applyCreate, applyDropOrphan } from '../../src/catalog/name-changes.js';
import { createCatalog } from '../../src/catalog/open.js';
import { makeTables, type Tables } from '../../src/catalog/tables.js';
import { Transactions } from '../../src/catalog/transactions.js';
import { bytes, catalogPath, chunkExtent, content, FILE, newInode } from '../support/catalog.js';

/** Two files without names, the second using the list of the first. */
function twoSharing(t: TestContext): { tables: Tables; lengths(ino: number): number[]; rows(): number } {
  const path = catalogPath(t);
  createCatalog(path);
  const database = new Database(path);
  t.after(() => database.close());
  const connection = new Connection(database);
  const counters = new Counters(connection);
  const transactions: Transactions = new Transactions(connection, counters, () => undefined);
  const tables = makeTables(connection, counters, transactions);
  transactions.begin();
  for (const ino of [100, 101]) {
    applyCreate(tables, { kind: 'create', parent: 0, name: bytes(''), inode: newInode(ino, FILE), xattrs: [] });
  }
  const pieces = [chunkExtent(0, 300, 'a'), chunkExtent(300, 300, 'b'), chunkExtent(600, 300, 'c')];
  applyContent(tables, content(100, 0, 900, pieces, 900));
  const { list, journalBytes } = tables.inodes.require(100, 'inode');
  tables.extents.share(list);
  tables.inodes.update(tables.inodes.require(101, 'inode'), { size: 900, allocated: 900 }, { list, journalBytes });
  const extents = new Extents(connection, tables.inodes);
  const count = database.prepare('SELECT count(*) FROM extents').pluck();
  return {
    tables,
    lengths: (ino) => [...extents.all(ino)].map((extent) => extent.length),
    rows: () => count.get() as number,
  };
}

test('a write to one of two files that share a list gives it a list of its own', (t) => {
  const { tables, lengths, rows } = twoSharing(t);
  applyContent(tables, content(101, 100, 200, [chunkExtent(100, 100, 'd')], 900));
  assert.deepEqual(lengths(100), [300, 300, 300]);
  assert.deepEqual(lengths(101), [100, 100, 100, 300, 300]);
  assert.equal(rows(), 8);
  applyContent(tables, content(100, 0, 900, [], 900));
  assert.deepEqual(lengths(100), []);
  assert.equal(rows(), 5, 'the list of the other is not shared any more, so its rows go');
});

test('truncation and replacement of one leave the other alone', (t) => {
  const { tables, lengths } = twoSharing(t);
  applyContent(tables, content(101, 0, 0, [], 450));
  assert.deepEqual(lengths(101), [300, 150]);
  assert.deepEqual(lengths(100), [300, 300, 300]);
  const other = twoSharing(t);
  applyContent(other.tables, content(100, 0, 900, [chunkExtent(0, 900, 'd')], 900));
  assert.deepEqual(other.lengths(100), [900]);
  assert.deepEqual(other.lengths(101), [300, 300, 300]);
});

test('the rows stay until the last of three users is gone', (t) => {
  const { tables, rows } = twoSharing(t);
  const { list, journalBytes } = tables.inodes.require(100, 'inode');
  applyCreate(tables, { kind: 'create', parent: 0, name: bytes(''), inode: newInode(102, FILE), xattrs: [] });
  tables.extents.share(list);
  tables.inodes.update(tables.inodes.require(102, 'inode'), { size: 900, allocated: 900 }, { list, journalBytes });
  for (const [ino, left] of [
    [100, 3],
    [102, 3],
    [101, 0],
  ] as const) {
    applyDropOrphan(tables, { kind: 'drop-orphan', ino });
    assert.equal(rows(), left);
  }
});
