import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openCatalogReader } from '../../src/catalog/open-reader.js';
import { parseGroupPath } from '../../src/core/group.js';
import { datastorePaths } from '../../src/datastore/paths.js';
import type { NodeId } from '../../src/vfs/api.js';
import { GROUP, OpenStore } from '../support/open-store.js';
import { ROOT } from '../support/store-tree.js';

const isKind = (kind: string) => (error: unknown) => error instanceof Error && 'kind' in error && error.kind === kind;
const onDisk = (store: OpenStore, path: string): string => join(store.folder, path);

test('groups are made with folder and owner on disk, and removed when they are empty', async (t) => {
  const store = await OpenStore.make(t);
  for (const path of ['vm/100', 'ct/a.b_c-d', 'host/y']) {
    await store.mkdir(path);
    assert.deepEqual(await store.names(path), ['current', 'owner']);
    assert.equal(readFileSync(onDisk(store, `${path}/owner`), 'utf8'), 'root@pam\n');
    assert.equal(statSync(onDisk(store, path)).mode & 0o777, 0o755);
    await assert.rejects(store.mkdir(path), isKind('exists'));
    await store.write(`${path}/current/file`, 'x');
    await assert.rejects(store.rmdir(path), isKind('not-empty'));
    await store.vfs.names.unlink(...(await store.at(`${path}/current/file`)));
    await store.rmdir(path);
    assert.ok(!existsSync(onDisk(store, path)));
    await assert.rejects(store.find(path));
  }
  assert.equal(store.live.parts.log.failure, undefined);
});

test('bad names are invalid, and nothing of them is on disk', async (t) => {
  const store = await OpenStore.make(t);
  await store.mkdir('ns/a');
  const bad = [
    'stuff',
    'HOST',
    'hosts',
    'host/.hidden',
    'host/a b',
    'host/é',
    'host/-x',
    'vm/a\nb',
    'ns/.a',
    'ns/a b',
    'ns/a/x',
  ];
  for (const path of bad) await assert.rejects(store.mkdir(path), isKind('invalid'), JSON.stringify(path));
  await assert.rejects(store.mkdir(`host/${'n'.repeat(256)}`), /255|no group name/);
  let deep = 'ns/a';
  for (let level = 0; level < 6; level++) {
    await store.mkdir(`${deep}/ns`);
    deep = `${deep}/ns/l`;
    await store.mkdir(deep);
  }
  await store.mkdir(`${deep}/ns`);
  await assert.rejects(store.mkdir(`${deep}/ns/x`), isKind('invalid'));
  assert.deepEqual(readdirSync(onDisk(store, '')).sort(), ['.cairn', '.chunks', '.lock', 'host', 'ns']);
});

test('everything else above the live trees is not permitted', async (t) => {
  const store = await OpenStore.make(t);
  const time = await store.snapshot();
  const { names, attributes, xattrs } = store.vfs;
  const name = Buffer.from('new');
  for (const path of ['', 'host', GROUP]) {
    const { node } = await store.find(path);
    const refused: (() => unknown)[] = [
      () => names.create(ROOT, node, name, 0o644, 0, 1),
      () => names.symlink(ROOT, node, name, name),
      () => names.makeNode(ROOT, node, name, 0o010644, 0, 0),
      () => names.temporary(ROOT, node, 0o644, 0, 1),
      () => attributes.set(ROOT, node, undefined, { mode: 0o700 }),
      () => attributes.set(ROOT, node, undefined, { uid: 5 }),
      () => xattrs.set(ROOT, node, Buffer.from('user.a'), name, 0, false),
      () => xattrs.remove(ROOT, node, Buffer.from('user.a')),
    ];
    for (const work of refused) await assert.rejects(async () => work(), isKind('not-permitted'), `${path}: ${work}`);
  }
  for (const path of ['host', `${GROUP}/current`, 'ct'])
    await assert.rejects(store.rmdir(path), isKind('not-permitted'), path);
  for (const path of [`${GROUP}/owner`, `${GROUP}/latest`]) {
    await assert.rejects(store.rmdir(path), isKind('not-a-directory'), path);
    const { node } = await store.find(path);
    await assert.rejects(async () => attributes.set(ROOT, node, undefined, { mode: 0 }), isKind('not-permitted'));
    const [parent, last] = await store.at(path);
    await assert.rejects(async () => names.unlink(parent, last), isKind('not-permitted'));
  }
  const [group] = await store.at(`${GROUP}/current`);
  const moved = async (from: string, to: string) =>
    names.rename(ROOT, group, Buffer.from(from), group, Buffer.from(to), 0);
  await assert.rejects(moved('current', 'other'), isKind('not-permitted'));
  await assert.rejects(moved(time, '2026-01-01T00:00:00Z'), isKind('not-permitted'));
});

test('a group with snapshots stays; so does one that holds what somebody else put there', async (t) => {
  const store = await OpenStore.make(t);
  const time = await store.snapshot();
  await assert.rejects(store.rmdir(GROUP), isKind('not-empty'));
  await store.rmdir(`${GROUP}/${time}`);
  mkdirSync(onDisk(store, `${GROUP}/foreign`));
  await assert.rejects(store.rmdir(GROUP), isKind('not-empty'));
  assert.ok(existsSync(onDisk(store, `${GROUP}/owner`)), 'a refused rmdir takes nothing away');
  rmdirSync(onDisk(store, `${GROUP}/foreign`));
  await store.rmdir(GROUP);
  assert.ok(!existsSync(onDisk(store, GROUP)));
});

test('what comes into a group while it is being removed keeps it, and the store goes on', async (t) => {
  const store = await OpenStore.make(t);
  await store.mkdir('host/y');
  const removing = assert.rejects(store.rmdir('host/y'), isKind('not-empty'));
  const writing = store.write('host/y/current/file', 'late');
  await Promise.all([removing, writing]);
  assert.equal((await store.read('host/y/current/file')).toString(), 'late');
  assert.ok(existsSync(onDisk(store, 'host/y/owner')));
  await store.mkdir('host/z');
  const made = store.snapshots.create(parseGroupPath('host/z'));
  const gone = store.rmdir('host/z').catch((error: unknown) => assert.ok(isKind('not-empty')(error), String(error)));
  await Promise.allSettled([made, gone]);
  assert.equal(store.live.parts.log.failure, undefined);
  await store.write(`${GROUP}/current/file`, 'still writable');
});

test('namespaces are folders on disk, made and removed like any other', async (t) => {
  const store = await OpenStore.make(t);
  for (const path of ['ns/a', 'ns/a/ns', 'ns/a/ns/b', 'ns/a/ns/b/host', 'ns/a/ns/b/host/web']) await store.mkdir(path);
  assert.ok(statSync(onDisk(store, 'ns/a/ns/b')).isDirectory());
  assert.equal(readFileSync(onDisk(store, 'ns/a/ns/b/host/web/owner'), 'utf8'), 'root@pam\n');
  await store.write('ns/a/ns/b/host/web/current/file', 'x');
  const time = await store.snapshot('ns/a/ns/b/host/web');
  await store.reopen();
  assert.equal((await store.read(`ns/a/ns/b/host/web/${time}/file`)).toString(), 'x');
  await assert.rejects(store.rmdir('ns/a/ns/b'), isKind('not-empty'));
  await store.rmdir(`ns/a/ns/b/host/web/${time}`);
  await store.vfs.names.unlink(...(await store.at('ns/a/ns/b/host/web/current/file')));
  for (const path of ['ns/a/ns/b/host/web', 'ns/a/ns/b/host', 'ns/a/ns/b', 'ns/a/ns', 'ns/a']) await store.rmdir(path);
  assert.deepEqual(readdirSync(onDisk(store, 'ns')), []);
  await assert.rejects(store.rmdir('ns'), isKind('not-permitted'));
  await store.mkdir('ns/c');
  writeFileSync(onDisk(store, 'ns/c/foreign'), '');
  await assert.rejects(store.rmdir('ns/c'), isKind('not-empty'));
  assert.ok((await store.names('ns')).includes('c'));
});

/** Sequence of the last change the catalog has. */
function appliedSequence(store: OpenStore): number {
  const reader = openCatalogReader(datastorePaths(store.folder).catalog);
  try {
    return reader.picture.begin();
  } finally {
    reader.close();
  }
}

test('a datastore open for reading only shows its snapshots and changes nothing', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(`${GROUP}/current/file`, 'content');
  const time = await store.snapshot();
  await store.write(`${GROUP}/current/later`, 'in the journal only');
  const node = (await store.find(`${GROUP}/current/later`)).node;
  await store.abandon();
  const picture = () =>
    readdirSync(store.folder, { recursive: true, withFileTypes: true })
      // SQLite moves its log into the database whenever the last connection closes: what it says is looked at below.
      .filter((entry) => entry.isFile() && !/^catalog\.db|lock$/.test(entry.name))
      .map(({ parentPath, name }) => [join(parentPath, name), statSync(join(parentPath, name)).mtimeMs])
      .sort();
  const before = picture();
  const sequence = appliedSequence(store);
  await store.open({ readOnly: true });
  assert.equal((await store.read(`${GROUP}/${time}/file`)).toString(), 'content');
  assert.equal((await store.read(`${GROUP}/current/later`)).toString(), 'in the journal only');
  for (const work of [
    () => store.write(`${GROUP}/current/new`, 'x'),
    () => store.mkdir('host/new'),
    () => store.mkdir('ns/new'),
    () => store.rmdir(GROUP).catch(() => store.rmdir(`${GROUP}/${time}`)),
    () => store.snapshot(),
    () => store.vfs.attributes.set(ROOT, node as NodeId, undefined, { mode: 0o600 }),
  ]) {
    await assert.rejects(async () => work(), isKind('read-only'), String(work));
  }
  assert.deepEqual(readdirSync(onDisk(store, 'host')), ['x']);
  await store.abandon();
  assert.deepEqual(picture(), before);
  assert.equal(appliedSequence(store), sequence);
  await store.open();
  assert.equal((await store.read(`${GROUP}/current/later`)).toString(), 'in the journal only');
});
