import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLibrary } from '../../src/library/open-library.js';
import type { FolderOperations, NodeId } from '../../src/vfs/api.js';
import { fileNameOfObject, objectOfFileName } from '../../src/vfs/objects/object-names.js';
import { isKind } from '../support/kinds.js';
import { noise } from '../support/noise.js';
import { OpenStore } from '../support/open-store.js';

const bytes = (text: string) => Buffer.from(text);
const CALLER = { uid: 0, gid: 0, pid: 1 };

test('an id is a file name, and back, as long as it fits', () => {
  for (const id of ['a', 'a/b', '.', '..', '%2F', '100%', 'ü', 'a\0b', '...', '/'.repeat(85)]) {
    const name = fileNameOfObject(id);
    assert.ok(name !== undefined && !name.includes(0x2f) && !name.includes(0), id);
    assert.equal(objectOfFileName(name), id);
  }
  assert.equal(fileNameOfObject('/'.repeat(86)), undefined);
  for (const name of ['%2f', '%41', '%2E', 'a%', '%2Ea']) {
    const id = objectOfFileName(bytes(name));
    assert.ok(id === undefined || Buffer.compare(fileNameOfObject(id) as Uint8Array, bytes(name)) === 0, name);
  }
  assert.equal(objectOfFileName(bytes('%2Ea')), undefined);
});

test('the objects of a datastore are files below .objects, read-only and unlisted', async (t) => {
  const store = await OpenStore.make(t);
  await store.close();
  const library = await openLibrary(store.folder);
  const large = noise('large', 5_000_000);
  const many = Array.from({ length: 300 }, (_, at) => `many/${String(at).padStart(3, '0')}`);
  await library.putObject('large', large);
  await library.putObject('empty', Buffer.alloc(0));
  await Promise.all(many.map((id) => library.putObject(id, bytes(id))));
  await library.putObject('gone', bytes('gone'));
  await library.deleteObject('gone');
  await library.close();
  await store.open();
  assert.ok(!(await store.names('')).includes('.objects'), 'no listing shows it');
  assert.deepEqual(await store.names('.objects'), ['empty', 'large', ...many.map((id) => id.replace('/', '%2F'))]);
  assert.deepEqual(await store.read('.objects/large'), large);
  assert.equal((await store.read('.objects/empty')).length, 0);
  assert.equal((await store.read('.objects/many%2F017')).toString(), 'many/017');
  const found = await store.find('.objects/large');
  assert.deepEqual([found.size, found.mode & 0o777, found.nlink], [large.length, 0o400, 1]);
  const { names, files, folders, attributes, xattrs } = store.vfs;
  const folder = (await store.find('.objects')).node;
  assert.equal(await names.lookup(folder, bytes('gone')), undefined);
  assert.equal(await names.lookup(folder, bytes('never')), undefined);
  const refused = isKind('read-only');
  for (const change of [
    () => names.create(CALLER, folder, bytes('x'), 0o644, 0, 0),
    () => names.makeFolder(CALLER, folder, bytes('x'), 0o755, 0),
    () => names.unlink(folder, bytes('large')),
    () => names.rename(CALLER, folder, bytes('large'), folder, bytes('x'), 0),
    () => files.open(CALLER, found.node, 1),
    () => attributes.set(CALLER, found.node, undefined, { mode: 0o777 }),
    () => xattrs.set(CALLER, found.node, bytes('user.a'), bytes('b'), 0, false),
  ]) {
    await assert.rejects(async () => change(), refused);
  }
  await assert.rejects(async () => names.makeFolder(CALLER, store.vfs.root, bytes('.objects'), 0o755, 0), /./);
  const { handle } = await files.open(CALLER, found.node, 0);
  const range = await files.read(handle, 4_999_990, 100);
  assert.equal(
    range.reduce((sum, { length }) => sum + length, 0),
    10,
  );
  await files.release(handle);
  await listedInParts(folders, folder, many.length);
});

/** A few entries at a time, and once more from the middle. */
async function listedInParts(folders: FolderOperations, node: NodeId, many: number): Promise<void> {
  const open = await folders.open(node);
  const all: { name: string; cookie: number }[] = [];
  for (let cookie = 0; ; ) {
    const entries = await folders.read(open, cookie, 7);
    if (entries.length === 0) break;
    all.push(...entries.map((entry) => ({ name: Buffer.from(entry.name).toString(), cookie: entry.cookie })));
    cookie = entries.at(-1)?.cookie ?? 0;
  }
  assert.equal(all.length, 2 + 2 + many);
  const [again] = await folders.read(open, all[150]?.cookie ?? 0, 1);
  assert.equal(Buffer.from(again?.name ?? []).toString(), all[151]?.name);
  folders.release(open);
}

test('a group that is mounted alone shows no objects', async (t) => {
  const store = await OpenStore.make(t, { group: 'host/x' });
  assert.equal(await store.vfs.names.lookup(store.vfs.root, bytes('.objects')), undefined);
});
