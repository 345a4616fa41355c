import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GROUP, OpenStore } from '../support/open-store.js';
import { ROOT } from '../support/store-tree.js';

const isKind = (kind: string) => (error: unknown) => error instanceof Error && 'kind' in error && error.kind === kind;

test('one group alone: the live tree is the root, snapshots are found but not listed', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(`${GROUP}/current/file`, 'content');
  const current = await store.find(`${GROUP}/current`);
  const group = await store.find(GROUP);
  const time = await store.snapshot();
  const inside = await store.find(`${GROUP}/${time}/file`);
  await store.reopen({ group: GROUP });
  assert.deepEqual(store.vfs.root, current.node);
  assert.deepEqual(await store.names(''), ['file']);
  assert.deepEqual((await store.find('.snapshots')).node, group.node);
  assert.deepEqual(await store.names('.snapshots'), [time, 'latest', 'owner']);
  assert.deepEqual(
    (await store.find(`.snapshots/${time}/file`)).node,
    inside.node,
    'node ids are those of the whole tree',
  );
  assert.equal((await store.read(`.snapshots/${time}/file`)).toString(), 'content');
  await assert.rejects(store.find('.snapshots/current'), /no current/);
  for (const path of ['', '.snapshots']) {
    const above = (await store.list(path)).find((entry) => Buffer.from(entry.name).toString() === '..');
    assert.deepEqual(above?.attributes.node, current.node, path);
  }
  const made = await store.snapshot();
  assert.ok((await store.names('.snapshots')).includes(made));
  await store.rmdir(`.snapshots/${time}`);
  assert.deepEqual(await store.names('.snapshots'), [made, 'latest', 'owner']);
  await store.write('sub-file', 'more');
  await store.mkdir('sub');
  assert.deepEqual(await store.names(''), ['file', 'sub', 'sub-file']);
});

test('.snapshots is nobody’s to make, move or remove', async (t) => {
  const store = await OpenStore.make(t, { group: GROUP });
  await store.write('file', 'x');
  const { root, names } = store.vfs;
  const snapshots = Buffer.from('.snapshots');
  const file = Buffer.from('file');
  const taken: (() => unknown)[] = [
    () => names.create(ROOT, root, snapshots, 0o644, 0, 1),
    () => names.makeFolder(ROOT, root, snapshots, 0o755, 0),
    () => names.makeNode(ROOT, root, snapshots, 0o010644, 0, 0),
    () => names.symlink(ROOT, root, snapshots, file),
    async () => names.link((await store.find('file')).node, root, snapshots),
  ];
  for (const work of taken) await assert.rejects(async () => work(), isKind('exists'), String(work));
  const refused: (() => unknown)[] = [
    () => names.unlink(root, snapshots),
    () => names.removeFolder(root, snapshots),
    () => names.rename(ROOT, root, snapshots, root, Buffer.from('other'), 0),
    () => names.rename(ROOT, root, file, root, snapshots, 0),
  ];
  for (const work of refused) await assert.rejects(async () => work(), isKind('not-permitted'), String(work));
  await store.mkdir('sub');
  await store.mkdir('sub/.snapshots');
  assert.deepEqual(await store.names('sub'), ['.snapshots'], 'only the root has it');
});

test('a listing page that holds nothing but the hidden name is not the end', async (t) => {
  const store = await OpenStore.make(t);
  for (const name of ['a', '.snapshots', 'z']) await store.write(`${GROUP}/current/${name}`, 'x');
  await store.reopen({ group: GROUP });
  const { root } = store.vfs;
  const handle = await store.vfs.folders.open(root);
  const seen: string[] = [];
  for (let cookie = 0; ; ) {
    const [entry] = await store.vfs.folders.read(handle, cookie, 1);
    if (entry === undefined) break;
    seen.push(Buffer.from(entry.name).toString());
    cookie = entry.cookie;
  }
  store.vfs.folders.release(handle);
  assert.deepEqual(seen, ['.', '..', 'a', 'z']);
});

test('a group that is none is said so', async (t) => {
  const store = await OpenStore.make(t);
  await store.close();
  await assert.rejects(store.open({ group: 'host/none' }), /There is no group host\/none in the datastore/);
  await store.abandon();
  await store.open();
});
