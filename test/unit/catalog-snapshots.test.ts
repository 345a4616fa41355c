import assert from 'node:assert/strict';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { openCatalog } from '../../src/catalog/open.js';
import type { SnapshotFacts } from '../../src/catalog/snapshots.js';
import { makeCatalog, makeGroup, ofKind } from '../support/catalog.js';

const FACTS: SnapshotFacts = {
  state: 'publishing',
  files: [{ name: 'root.mpxar.didx', bytes: 123 }],
  contentBytes: 456,
  entries: 7,
  isProtected: false,
  notes: '',
  verifyState: 'none',
  verifiedAt: 0,
};

test('a snapshot is kept as told and changed in part', (t) => {
  const { catalog } = makeCatalog(t);
  const archive = catalog.snapshots.add(1, 1_700_000_000, FACTS);
  const added = { ...FACTS, archive, group: 1, time: 1_700_000_000 };
  assert.deepEqual(catalog.snapshots.find(archive), added);
  assert.deepEqual(catalog.snapshots.findByTime(1, 1_700_000_000), added);
  catalog.snapshots.update(archive, { state: 'finished', isProtected: true, notes: 'kept – «ever»' });
  const changed = { ...added, state: 'finished', isProtected: true, notes: 'kept – «ever»' };
  assert.deepEqual(catalog.snapshots.find(archive), changed);
  catalog.snapshots.update(archive, { verifyState: 'failed', verifiedAt: 99 });
  assert.deepEqual(catalog.snapshots.find(archive), { ...changed, verifyState: 'failed', verifiedAt: 99 });
  assert.throws(() => catalog.snapshots.update(archive + 1, { notes: '' }), ofKind('not-found'));
  assert.throws(() => catalog.snapshots.add(1, 1_700_000_000, FACTS), ofKind('exists'));
  assert.equal(catalog.transactions.state, 'open');
});

test('the snapshots of a group come newest first', (t) => {
  const { catalog } = makeCatalog(t);
  makeGroup(catalog, 'web2');
  for (const time of [300, 100, 200]) catalog.snapshots.add(1, time, { ...FACTS, state: 'finished' });
  catalog.snapshots.add(1, 400, FACTS);
  catalog.snapshots.add(2, 500, FACTS);
  assert.deepEqual(
    catalog.snapshots.list(1).map(({ time }) => time),
    [400, 300, 200, 100],
  );
  assert.equal(catalog.snapshots.newestFinished(1)?.time, 300);
  assert.equal(catalog.snapshots.newestFinished(2), undefined);
  assert.deepEqual(
    [1, 2, 3].map((group) => catalog.snapshots.hasAny(group)),
    [true, true, false],
  );
});

test('archive numbers are never used again', (t) => {
  const { catalog, path } = makeCatalog(t);
  const first = catalog.snapshots.add(1, 100, FACTS);
  const second = catalog.snapshots.add(1, 200, FACTS);
  assert.ok(first >= 1);
  assert.equal(catalog.snapshots.remove(second), true);
  assert.equal(catalog.snapshots.remove(second), false);
  catalog.transactions.commit(1);
  catalog.close();
  const again = openCatalog(path);
  t.after(() => again.close());
  again.transactions.begin();
  assert.equal(again.snapshots.add(1, 200, FACTS), second + 1);
});

test('numbers that do not fit a node id are not given out', (t) => {
  const { catalog, path } = makeCatalog(t);
  catalog.transactions.commit(1);
  catalog.close();
  const other = new Database(path);
  other.exec('UPDATE meta SET next_archive = 16777215');
  other.close();
  const again = openCatalog(path);
  t.after(() => again.close());
  again.transactions.begin();
  assert.equal(again.snapshots.add(1, 100, FACTS), 2 ** 24 - 1);
  assert.throws(() => again.snapshots.add(1, 200, FACTS), ofKind('no-space'));
});
