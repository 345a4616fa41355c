import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { createCatalog, openCatalog } from '../../src/catalog/open.js';
import { openCatalogReader } from '../../src/catalog/open-reader.js';
import { APPLICATION_ID, MIGRATIONS, migrate, SCHEMA_VERSION } from '../../src/catalog/schema.js';
import { bytes, catalogPath, makeCatalog, ofKind } from '../support/catalog.js';

test('a new catalog holds the fixed folders', (t) => {
  const path = catalogPath(t);
  createCatalog(path, { seconds: 77, nanoseconds: 8 });
  const catalog = openCatalog(path);
  t.after(() => catalog.close());
  const root = catalog.inodes.find(1);
  assert.equal(root?.mode, 0o040755);
  assert.equal(root?.nlink, 6);
  assert.equal(root?.mtimeSec, 77);
  assert.equal(root?.btimeNsec, 8);
  const found = catalog.names.entries(1, 0, 10).map(({ name, inode }) => [Buffer.from(name).toString(), inode.role]);
  assert.deepEqual(found, [
    ['host', 2],
    ['vm', 2],
    ['ct', 2],
    ['ns', 4],
  ]);
  assert.ok(catalog.inodes.allocate() > 5);
  assert.equal(catalog.figures().inodes, 5);
});

test('the database says what it is, and keeps to its settings', (t) => {
  const path = catalogPath(t);
  createCatalog(path);
  const catalog = openCatalog(path);
  t.after(() => catalog.close());
  const other = new Database(path, { readonly: true });
  t.after(() => other.close());
  assert.equal(other.pragma('application_id', { simple: true }), APPLICATION_ID);
  assert.equal(other.pragma('user_version', { simple: true }), SCHEMA_VERSION);
  assert.equal(other.pragma('journal_mode', { simple: true }), 'wal');
  assert.equal(other.pragma('auto_vacuum', { simple: true }), 2);
  assert.equal(MIGRATIONS.length, SCHEMA_VERSION - 1);
});

test('a catalog is made once', (t) => {
  const path = catalogPath(t);
  createCatalog(path);
  assert.throws(() => createCatalog(path), ofKind('exists'));
});

test('an attempt broken off before its commit is taken over', (t) => {
  const path = catalogPath(t);
  const broken = new Database(path);
  broken.pragma('journal_mode = WAL');
  broken.close();
  assert.throws(() => openCatalog(path), ofKind('corrupt'));
  createCatalog(path);
  openCatalog(path).close();
});

test('what is no catalog is refused', (t) => {
  const path = catalogPath(t);
  assert.throws(() => openCatalog(path), ofKind('io'));
  assert.ok(!existsSync(path), 'a catalog that is missing is not made by opening it');
  writeFileSync(path, 'x'.repeat(10_000));
  assert.throws(() => openCatalog(path), ofKind('corrupt'));
  assert.throws(() => openCatalogReader(path), ofKind('corrupt'));
  const folder = join(dirname(path), 'folder');
  mkdirSync(folder);
  assert.throws(() => openCatalog(folder), ofKind('io'));
});

test('a newer schema is refused with a line that says so', (t) => {
  const path = catalogPath(t);
  createCatalog(path);
  const other = new Database(path);
  other.pragma('user_version = 9');
  other.close();
  for (const open of [openCatalog, openCatalogReader]) {
    assert.throws(
      () => open(path),
      (error: Error & { kind?: string }) =>
        error.kind === 'unsupported' &&
        error.message.includes(`schema version 9, this Cairn knows versions up to ${SCHEMA_VERSION}`),
    );
  }
});

test('migrations run from the version found, all or none', (t) => {
  const path = catalogPath(t);
  createCatalog(path);
  const database = new Database(path);
  t.after(() => database.close());
  database.pragma('user_version = 1');
  const ran: string[] = [];
  const two = (db: Database.Database) => {
    ran.push('1 to 2');
    db.exec('CREATE TABLE two (a)');
  };
  const three = () => {
    ran.push('2 to 3');
    throw new Error('no');
  };
  assert.throws(() => migrate(database, [two, three]), /no/);
  assert.equal(database.pragma('user_version', { simple: true }), 1);
  assert.deepEqual(database.prepare("SELECT name FROM sqlite_schema WHERE name = 'two'").all(), []);
  migrate(database, [two]);
  assert.equal(database.pragma('user_version', { simple: true }), 2);
  migrate(database, [two, () => ran.push('2 to 3 again')]);
  assert.deepEqual(ran, ['1 to 2', '2 to 3', '1 to 2', '2 to 3 again']);
  assert.throws(() => migrate(database, [two]), ofKind('unsupported'));
});

test('a catalog of the first version gets the index by verification', (t) => {
  const path = catalogPath(t);
  createCatalog(path);
  const database = new Database(path);
  t.after(() => database.close());
  const indexes = (): unknown[] =>
    database.prepare("SELECT sql FROM sqlite_schema WHERE name = 'chunks_by_verification'").pluck().all();
  const asMade = indexes();
  const later = ['uploads', 'remote_files', 'objects', 'object_totals'].map((table) => `DROP TABLE ${table};`);
  database.exec(`DROP INDEX chunks_by_verification; ${later.join(' ')}`);
  database.pragma('user_version = 1');
  openCatalog(path).close();
  assert.deepEqual(indexes(), asMade);
  assert.equal(database.pragma('user_version', { simple: true }), SCHEMA_VERSION);
});

test('closing takes back what was not committed', (t) => {
  const { catalog, path } = makeCatalog(t);
  catalog.transactions.commit(5);
  catalog.transactions.begin();
  const host = catalog.names.lookup(1, bytes('host')) ?? 0;
  catalog.apply({ kind: 'unlink', parent: 1, name: bytes('vm'), timeSec: 1, timeNsec: 1 });
  catalog.close();
  const again = openCatalog(path);
  t.after(() => again.close());
  assert.ok(again.names.lookup(1, bytes('vm')));
  assert.ok(again.names.lookup(host, bytes('web1')));
  assert.equal(again.transactions.appliedSequence(), 5);
});
