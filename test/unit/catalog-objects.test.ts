import assert from 'node:assert/strict';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { createCatalog, openCatalog } from '../../src/catalog/open.js';
import { openCatalogReader } from '../../src/catalog/open-reader.js';
import type { StoredObject } from '../../src/core/stored-object.js';
import { catalogPath, digestOf, makeCatalog } from '../support/catalog.js';

function object(id: string, bytes = 10, deleted?: number): StoredObject {
  return {
    ...{ id, bytes, deleted, chunks: 1, indexPath: `objects/00/${id}.didx`, compression: 'zstd:1', created: 1000 },
    ...{ etag: Buffer.alloc(16, 7), sha256: digestOf(id), metadata: { owner: 'me' } },
  };
}

test('objects are found, listed in the order of bytes, and their totals go up and down', (t) => {
  const { catalog, path } = makeCatalog(t);
  const { objects, transactions } = catalog;
  for (const id of ['b', 'ä', 'a/2', 'a/1']) objects.put(object(id));
  objects.put({ ...object('empty', 0), indexPath: undefined });
  assert.deepEqual(objects.totals(), { objects: 5, bytes: 40 });
  objects.put(object('b', 100));
  assert.deepEqual(objects.totals(), { objects: 5, bytes: 130 });
  objects.put(object('a/1', 10, 5000));
  assert.deepEqual(objects.totals(), { objects: 4, bytes: 120 });
  objects.put(object('a/1', 10, 5000));
  objects.remove('a/1');
  objects.remove('never');
  objects.put(object('a/2', 10, 6000));
  assert.deepEqual(objects.totals(), { objects: 3, bytes: 110 });
  transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  assert.deepEqual(reader.objects.find('b'), object('b', 100));
  assert.equal(reader.objects.find('empty')?.indexPath, undefined);
  assert.equal(reader.objects.find('a/1'), undefined);
  const ids = (from: string, limit: number) => reader.objects.list(Buffer.from(from), limit).map(({ id }) => id);
  assert.deepEqual(ids('', 10), ['b', 'empty', 'ä']);
  assert.deepEqual(ids('b\0', 1), ['empty']);
  assert.deepEqual(
    reader.objects.listDeleted(6001, 10).map(({ id }) => id),
    ['a/2'],
  );
  assert.deepEqual(reader.objects.listDeleted(6000, 10), []);
  assert.deepEqual(reader.objects.totals(), { objects: 3, bytes: 110 });
});

test('a rollback takes the totals back', (t) => {
  const { catalog } = makeCatalog(t);
  catalog.objects.put(object('a'));
  catalog.transactions.rollback();
  catalog.transactions.begin();
  assert.deepEqual(catalog.objects.totals(), { objects: 0, bytes: 0 });
});

test('a catalog of the third version gets the tables of objects', (t) => {
  const path = catalogPath(t);
  createCatalog(path);
  const database = new Database(path);
  database.exec('DROP TABLE objects; DROP TABLE object_totals');
  database.pragma('user_version = 3');
  database.close();
  const catalog = openCatalog(path);
  t.after(() => catalog.close());
  catalog.transactions.begin();
  catalog.objects.put(object('a'));
  assert.deepEqual(catalog.objects.totals(), { objects: 1, bytes: 10 });
});
