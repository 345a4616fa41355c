import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import { Connection } from '../../src/catalog/connection.js';
import { applyContent } from '../../src/catalog/content-change.js';
import { Counters } from '../../src/catalog/counters.js';
import type { ChunkExtent } from '../../src/catalog/extent.js';
import { FreedLists } from '../../src/catalog/extent-edits.js';
import { MAX_LIST_ROWS } from '../../src/catalog/extent-list.js';
import { Extents } from '../../src/catalog/extents.js';
import { applyCreate, applyDropOrphan } from '../../src/catalog/name-changes.js';
import { createCatalog } from '../../src/catalog/open.js';
import { makeTables, type Tables } from '../../src/catalog/tables.js';
import { Transactions } from '../../src/catalog/transactions.js';
import { bytes, catalogPath, chunkExtent, content, FILE, newInode } from '../support/catalog.js';

interface Sharing {
  readonly tables: Tables;
  readonly freed: FreedLists;
  lengths(ino: number): number[];
  /** Rows of the lists of extents. */
  rows(): number;
  /** Rows that `work` wrote, of any table. */
  written(work: () => void): number;
}

const THREE = [chunkExtent(0, 300, 'a'), chunkExtent(300, 300, 'b'), chunkExtent(600, 300, 'c')];

/** Two files without names, the second using the list of the first. */
function twoSharing(t: TestContext, pieces: readonly ChunkExtent[] = THREE): Sharing {
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
  const size = pieces.reduce((sum, { length }) => sum + length, 0);
  applyContent(tables, content(100, 0, size, pieces, size));
  const { list, journalBytes } = tables.inodes.require(100, 'inode');
  tables.extents.share(list);
  tables.inodes.update(tables.inodes.require(101, 'inode'), { size, allocated: size }, { list, journalBytes });
  const extents = new Extents(connection, tables.inodes);
  const count = database.prepare('SELECT count(*) FROM extents').pluck();
  const changes = database.prepare('SELECT total_changes()').pluck();
  return {
    tables,
    freed: new FreedLists(connection, transactions, tables.listCopies),
    written(work) {
      const before = changes.get() as number;
      work();
      return (changes.get() as number) - before;
    },
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

/** More than four steps of extents, of 10 bytes each. */
const MANY = Array.from({ length: 4500 }, (_, n) => chunkExtent(n * 10, 10, 'a', n % 90));
const MANY_BYTES = 45_000;
/** Rows that a step may write: those of extents, and a few of other tables. */
const STEP_ROWS = MAX_LIST_ROWS + 20;

/** Prepares a change in steps; returns how many. */
function prepare({ tables, written }: Sharing, ino: number, size?: number): number {
  for (let steps = 1; ; steps++) {
    let ready = false;
    const rows = written(() => {
      ready = tables.listCopies.prepare(ino, size);
    });
    assert.ok(rows <= STEP_ROWS, `${rows} rows in a step`);
    if (ready) return steps;
  }
}

/** Empties the freed lists; returns how many rows they had. */
function emptied({ freed }: Sharing): number {
  let sum = 0;
  for (let rows = -1; rows !== 0; sum += rows) rows = freed.empty(1000);
  return sum;
}

test('the first write to a file that shares a long list finds it copied in steps', (t) => {
  const files = twoSharing(t, MANY);
  const { tables, lengths, rows, written } = files;
  assert.ok(written(() => void prepare(files, 101)) >= MANY.length);
  assert.equal(emptied(files), 0, 'a copy that is wanted is no freed list');
  const write = () => applyContent(tables, content(101, 0, 15, [chunkExtent(0, 15, 'b')], MANY_BYTES));
  assert.ok(written(write) <= STEP_ROWS);
  assert.deepEqual(lengths(101).slice(0, 3), [15, 5, 10]);
  assert.equal(lengths(101).length, MANY.length);
  assert.deepEqual(
    lengths(100),
    MANY.map(({ length }) => length),
  );
  assert.equal(tables.inodes.entry(101)?.inode.allocated, MANY_BYTES);
  assert.equal(rows(), 2 * MANY.length);
  // Nothing is shared any more.
  assert.deepEqual([prepare(files, 100), prepare(files, 101)], [1, 1]);
  assert.equal(rows(), 2 * MANY.length);
  assert.equal(emptied(files), 0);
});

test('a truncation that leaves much and cuts off much is prepared in steps, shared or not', (t) => {
  const files = twoSharing(t, MANY);
  const { tables, lengths, rows, written } = files;
  const size = 24_995;
  for (const ino of [101, 100]) {
    assert.equal(prepare(files, ino, size), 3);
    assert.ok(written(() => applyContent(tables, content(ino, size, MANY_BYTES, [], size))) <= STEP_ROWS);
    assert.equal(lengths(ino).length, 2500);
    assert.equal(lengths(ino).at(-1), 5);
    assert.equal(tables.inodes.entry(ino)?.inode.allocated, size);
  }
  assert.equal(emptied(files), MANY.length);
  assert.equal(rows(), 2 * 2500);
});

test('a copy is not used once the list has changed, and goes', (t) => {
  const files = twoSharing(t, MANY);
  const { tables, lengths, rows } = files;
  prepare(files, 101);
  applyDropOrphan(tables, { kind: 'drop-orphan', ino: 100 });
  applyContent(tables, content(101, 0, 10, [chunkExtent(0, 10, 'z')], MANY_BYTES));
  const { list, journalBytes } = tables.inodes.require(101, 'inode');
  applyCreate(tables, { kind: 'create', parent: 0, name: bytes(''), inode: newInode(102, FILE), xattrs: [] });
  tables.extents.share(list);
  const fields = { size: MANY_BYTES, allocated: MANY_BYTES };
  tables.inodes.update(tables.inodes.require(102, 'inode'), fields, { list, journalBytes });
  assert.equal(emptied(files), MANY.length);
  applyContent(tables, content(101, 10, 25, [chunkExtent(10, 15, 'y')], MANY_BYTES));
  assert.deepEqual(lengths(101).slice(0, 4), [10, 15, 5, 10]);
  assert.deepEqual(lengths(102).slice(0, 3), [10, 10, 10]);
  assert.equal(rows(), 2 * MANY.length);
});
