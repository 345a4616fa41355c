import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { openCatalog } from '../../src/catalog/open.js';
import { SCHEMA_VERSION } from '../../src/catalog/schema.js';
import { runCare } from '../support/care.js';
import { outputOf, runCommand } from '../support/commands.js';
import { OpenStore } from '../support/open-store.js';
import { temporaryFolder } from '../support/temporary-folder.js';

/** Not compiled into dist/: reached from dist/test/fault through the checkout. */
const STORES = fileURLToPath(new URL('../../../test/support/old-stores/', import.meta.url));
const SCHEMA = new URL('../../src/catalog/schema.js', import.meta.url).href;
const SQLITE = fileURLToPath(new URL('../../../node_modules/better-sqlite3/lib/index.js', import.meta.url));

function unpacked(t: TestContext, version: number): string {
  const folder = temporaryFolder(t);
  outputOf('tar', ['xzf', `${STORES}schema-${version}.tar.gz`, '-C', folder]);
  return folder;
}

function versionOf(catalog: string): unknown {
  const database = new Database(catalog, { readonly: true });
  try {
    return database.pragma('user_version', { simple: true });
  } finally {
    database.close();
  }
}

test('of every schema there ever was a store is kept', () => {
  for (let version = 1; version < SCHEMA_VERSION; version += 1) {
    assert.ok(existsSync(`${STORES}schema-${version}.tar.gz`), `of schema ${version}`);
  }
});

async function isLifted(t: TestContext, version: number): Promise<void> {
  const folder = unpacked(t, version);
  const store = await OpenStore.at(t, folder);
  const current = 'host/web1/current';
  assert.deepEqual(await store.names(current), [
    ...['folder', 'holes', 'journalled', 'large', 'large2', 'late', 'link', 'pipe'],
  ]);
  assert.equal((await store.read(`${current}/journalled`)).toString(), 'only in the journal\n');
  assert.equal((await store.read(`${current}/late/moved`)).toString(), 'first text\n');
  const first = await store.find(`${current}/folder/deep/first.txt`);
  assert.deepEqual([first.nlink, first.mtimeSec, first.mtimeNsec], [2, 981_173_106, 789_000_000]);
  assert.equal(first.node.position, (await store.find(`${current}/late/moved`)).node.position);
  assert.equal((await store.vfs.xattrs.get(first.node, Buffer.from('user.comment'))).toString(), 'a remark');
  const deep = await store.find(`${current}/folder/deep`);
  assert.deepEqual([deep.uid, deep.gid], [1000, 1001]);
  assert.equal((await store.find(`${current}/folder`)).mode & 0o7777, 0o2750);
  assert.equal((await store.names(`${current}/folder`)).length, 40);
  assert.equal((await store.read(`${current}/folder/renamed`)).toString(), 'file number 2\n');
  assert.equal((await store.read('ns/site/vm/7/current/disk.conf')).toString(), 'of a namespace\n');
  const [time] = (await store.names('host/web1')).filter((name) => name.startsWith('2026'));
  const pattern = Buffer.from('0123456789 some text that repeats\n');
  for (const tree of [current, `host/web1/${time}`]) {
    assert.deepEqual(await store.read(`${tree}/large`), Buffer.alloc(600_000, pattern));
    assert.deepEqual(await store.read(`${tree}/holes`), Buffer.concat([Buffer.alloc(1_000_000), Buffer.from('end\n')]));
  }
  assert.equal((await store.read(`host/web1/${time}/folder/file 1`)).toString(), 'file number 1\n');
  const { findings } = await runCare(t, store, 'check', { deep: true });
  assert.deepEqual(
    findings.filter(({ severity }) => severity === 'damage'),
    [],
  );
  await store.snapshot('host/web1');
  await store.reopen();
  assert.equal(versionOf(store.datastore.paths.catalog), SCHEMA_VERSION);
  // Before the folder goes.
  await store.close();
}

for (let version = 1; version < SCHEMA_VERSION; version += 1) {
  test(`a store of schema ${version} whose daemon was killed is lifted, and all in it is there`, (t) =>
    isLifted(t, version));
}

test('killed in the middle of lifting, a catalog is as it was', (t) => {
  const folder = unpacked(t, 1);
  const catalog = `${folder}/.cairn/catalog.db`;
  const program = `
    import Database from ${JSON.stringify(SQLITE)};
    import { migrate, MIGRATIONS } from ${JSON.stringify(SCHEMA)};
    const die = (database) => {
      database.exec('CREATE TABLE half_made (a)');
      process.kill(process.pid, 'SIGKILL');
    };
    migrate(new Database(${JSON.stringify(catalog)}), [...MIGRATIONS, die]);`;
  const { status } = runCommand(process.execPath, ['--input-type=module', '-e', program]);
  assert.equal(status, null, 'it was not killed');
  assert.equal(versionOf(catalog), 1);
  openCatalog(catalog).close();
  assert.equal(versionOf(catalog), SCHEMA_VERSION);
  const database = new Database(catalog, { readonly: true });
  t.after(() => database.close());
  assert.equal(database.prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'half_made'").pluck().get(), 0);
});
