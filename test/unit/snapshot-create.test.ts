import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseGroupPath } from '../../src/core/group.js';
import { heldChunks } from '../../src/native/holds.js';
import type { NodeId } from '../../src/vfs/api.js';
import { checkAllChunks } from '../support/check-chunks.js';
import { noise } from '../support/noise.js';
import { GROUP, OpenStore } from '../support/open-store.js';
import { ATTRIBUTES, METADATA, PAYLOAD, readSnapshot } from '../support/snapshot-on-disk.js';
import { ROOT } from '../support/store-tree.js';

const MIB = 1024 * 1024;
const CURRENT = `${GROUP}/current`;
const at = (name: string): string => `${CURRENT}/${name}`;

/** version 2 POSIX ACL xattr: user::rwx user:1001:r-x group::r-- mask::r-x other::--- */
const ACL = Buffer.from(
  '02000000' + '01000700ffffffff' + '02000500e9030000' + '04000400ffffffff' + '10000500ffffffff' + '20000000ffffffff',
  'hex',
);
const CAPABILITY = Buffer.from('0100000200040000000000000000000000000000', 'hex');

async function setXattr(store: OpenStore, node: NodeId, name: string, value: Uint8Array): Promise<void> {
  await store.vfs.xattrs.set(ROOT, node, Buffer.from(name), value, 0, false);
}

/** A tree with every kind of entry; what its files hold. */
async function oddTree(store: OpenStore): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const put = async (name: string, bytes: Buffer): Promise<NodeId> => {
    files.set(name, bytes);
    return store.write(at(name), bytes);
  };
  await store.mkdir(at('sub'), 0o2750);
  await put('empty', Buffer.alloc(0));
  await put('sub/small', noise('small', 5000));
  await put('sub/also-small', noise('also', 70_000));
  await put('large', noise('large', 5 * MIB + 17));
  await put('copy', noise('large', 5 * MIB + 17));
  await put('b\xff\x01 name', Buffer.from('bytes'));
  const marked = await put('marked', Buffer.from('attributes'));
  await setXattr(store, marked, 'user.binary', Buffer.from([0, 1, 255]));
  await setXattr(store, marked, 'trusted.t', Buffer.from('t'));
  await setXattr(store, marked, 'system.posix_acl_access', ACL);
  const capable = await put('capable', Buffer.from('capability'));
  await setXattr(store, capable, 'security.capability', CAPABILITY);
  const [parent] = await store.at(at('x'));
  const { names, attributes } = store.vfs;
  await names.symlink(ROOT, parent, Buffer.from('link'), Buffer.from('sub/small'));
  await names.makeNode(ROOT, parent, Buffer.from('char'), 0o020600, 0, 0x103);
  await names.makeNode(ROOT, parent, Buffer.from('block'), 0o060640, 0, 0x801);
  await names.makeNode(ROOT, parent, Buffer.from('pipe'), 0o010644, 0, 0);
  await names.makeNode(ROOT, parent, Buffer.from('socket'), 0o140755, 0, 0);
  const first = await put('first', noise('first', 1000));
  const [sub] = await store.at(at('sub/x'));
  await names.link(first, sub, Buffer.from('second-name'));
  files.set('sub/second-name', files.get('first') as Buffer);
  await put('sparse', Buffer.concat([Buffer.alloc(2 * MIB), noise('island', 10_000)]).subarray(0, 0));
  await store.write(at('sparse'), noise('island', 10_000), 3 * MIB);
  files.set('sparse', Buffer.concat([Buffer.alloc(3 * MIB), noise('island', 10_000)]));
  const hole = await put('all-hole', Buffer.alloc(0));
  await attributes.set(ROOT, hole, undefined, { size: 20 * MIB + 5 });
  files.set('all-hole', Buffer.alloc(20 * MIB + 5));
  const time = (sec: number, nsec: number) => ({ mtime: { sec, nsec }, atime: { sec: 1, nsec: 2 } });
  await attributes.set(ROOT, marked, undefined, { uid: 70_000, gid: 4_000_000_000 });
  await attributes.set(ROOT, marked, undefined, time(-5, 999_999_999));
  await attributes.set(ROOT, (await store.find(at('sub'))).node, undefined, time(2 ** 33, 7));
  return files;
}

async function withTree(t: TestContext): Promise<{ store: OpenStore; files: Map<string, Buffer> }> {
  const store = await OpenStore.make(t);
  return { store, files: await oddTree(store) };
}

test('a snapshot holds every entry with content and attributes, by the decoder of the spec', async (t) => {
  const { store, files } = await withTree(t);
  const time = await store.snapshot();
  const { root, entries } = readSnapshot(store.folder, GROUP, time);
  assert.deepEqual(
    root.children.map(({ name }) => name.toString('latin1')),
    (await store.names(CURRENT)).map((name) => name),
  );
  for (const [path, bytes] of files) {
    const entry = entries.get(path);
    assert.ok(entry !== undefined, path);
    const content = entry.hardLinkTo === undefined ? entry : entries.get(entry.hardLinkTo);
    assert.ok(content?.payload?.content().equals(bytes), `content of ${path}`);
  }
  for (const path of ['', ...entries.keys()]) {
    const entry = entries.get(path);
    const live = await store.find(`${CURRENT}/${path}`);
    assert.deepEqual(
      [entry?.mode, entry?.uid, entry?.gid, entry?.mtimeSec, entry?.mtimeNsec],
      [live.mode, live.uid, live.gid, BigInt(live.mtimeSec), live.mtimeNsec],
      path,
    );
  }
  assert.equal(entries.get('link')?.target?.toString(), 'sub/small');
  assert.deepEqual(entries.get('char')?.device, { major: 1n, minor: 3n });
  assert.deepEqual(entries.get('block')?.device, { major: 8n, minor: 1n });
  assert.equal(entries.get('sub/second-name')?.hardLinkTo, 'first');
  const marked = entries.get('marked');
  assert.deepEqual(marked?.xattrs.map(({ name, value }) => [name.toString(), value.toString('hex')]).sort(), [
    ['trusted.t', '74'],
    ['user.binary', '0001ff'],
  ]);
  assert.deepEqual(marked?.aclUsers, [{ id: 1001n, permissions: 5n }]);
  assert.equal(marked?.aclGroupObject, 4n);
  assert.ok(entries.get('capable')?.capabilities?.equals(CAPABILITY));
});

test('indexes, manifest and chunks are right in every number', async (t) => {
  const { store } = await withTree(t);
  const time = await store.snapshot();
  const { indexes, manifest } = readSnapshot(store.folder, GROUP, time);
  checkAllChunks(store.folder);
  const listed = Object.values(indexes).flatMap(({ chunks }) => chunks);
  for (const { digest } of listed) statSync(join(store.folder, '.chunks', digest.slice(0, 2), digest));
  assert.deepEqual(manifest['backup-type'], 'host');
  assert.deepEqual(manifest['backup-id'], 'x');
  assert.deepEqual(manifest['backup-time'], Date.parse(time) / 1000);
  assert.deepEqual(
    manifest.files.map(({ filename, size, csum }) => [filename, size, csum]).sort(),
    [METADATA, PAYLOAD, ATTRIBUTES].map((name) => [name, indexes[name]?.contentLength, indexes[name]?.checksum]).sort(),
  );
  const folder = join(store.folder, GROUP, time);
  assert.deepEqual(readdirSync(folder).sort(), [ATTRIBUTES, 'index.json.blob', METADATA, PAYLOAD]);
  for (const name of [METADATA, PAYLOAD, ATTRIBUTES]) {
    const row = store.datastore.catalog.indexFiles.find(`${GROUP}/${time}/${name}`);
    const bytes = readFileSync(join(folder, name));
    assert.deepEqual([row?.fileBytes, row?.chunkCount], [bytes.length, indexes[name]?.chunks.length]);
    assert.ok(bytes.subarray(0, 96).equals(row?.header as Uint8Array));
    assert.equal(Buffer.from(row?.checksum ?? []).toString('hex'), indexes[name]?.checksum);
  }
  const digests = new Set(listed.map(({ digest }) => digest));
  for (const digest of digests) {
    const known = store.datastore.catalog.chunks.find(Buffer.from(digest, 'hex'));
    assert.equal(known?.state, 'present', digest);
    assert.equal(known?.stored, statSync(join(store.folder, '.chunks', digest.slice(0, 2), digest)).size, digest);
  }
});

test('a second snapshot neither reads nor hashes file data that is in chunks', async (t) => {
  const { store } = await withTree(t);
  await store.snapshot();
  await store.write(at('sub/small'), noise('changed', 4000));
  const before = store.datastore.chunks.counters.loads;
  const second = await store.snapshots.create(parseGroupPath(GROUP));
  const made = store.snapshots.lastWork;
  assert.equal(store.datastore.chunks.counters.loads, before);
  assert.equal(made?.chunks.loads, 0);
  // Metadata, attributes, 16-byte items; never the 10 MiB and more of files.
  assert.ok((made?.hashedBytes ?? MIB) < 64 * 1024, `${made?.hashedBytes} bytes hashed`);
  assert.ok(second.addedBytes < 16 * 1024, `${second.addedBytes} bytes added`);
  const { entries } = readSnapshot(store.folder, GROUP, second.time);
  assert.ok(entries.get('sub/small')?.payload?.content().equals(noise('changed', 4000)));
  assert.ok(
    entries
      .get('large')
      ?.payload?.content()
      .equals(noise('large', 5 * MIB + 17)),
  );
});

/** Gives a file a range of another by reference. */
async function cloneRange(store: OpenStore, from: string, to: string, start: number, length: number): Promise<void> {
  const [source, target] = [await store.openFile(from), await store.openFile(to)];
  const range = { from: source, fromOffset: start, to: target, toOffset: 0, length };
  assert.equal(await store.vfs.files.copyRange(ROOT, range), length);
  for (const handle of [source, target]) await store.vfs.files.release(handle);
}

test('files with cloned ranges are cut anew and counted; a whole clone is none of them', async (t) => {
  const { store } = await withTree(t);
  const bytes = noise('large', 5 * MIB + 17);
  for (const name of ['ragged', 'whole']) await store.write(at(name), '');
  await cloneRange(store, at('large'), at('ragged'), 12_345, 3 * MIB);
  await cloneRange(store, at('large'), at('whole'), 0, bytes.length);
  const made = await store.snapshots.create(parseGroupPath(GROUP));
  assert.equal(made.recutFiles, 1);
  const { entries } = readSnapshot(store.folder, GROUP, made.time);
  assert.ok(
    entries
      .get('ragged')
      ?.payload?.content()
      .equals(bytes.subarray(12_345, 12_345 + 3 * MIB)),
  );
  const again = await store.snapshots.create(parseGroupPath(GROUP));
  assert.equal(again.recutFiles, 0, 'the live tree has the new cuts');
});

test('an unchanged tree gives the same streams and adds nothing but index files', async (t) => {
  const { store } = await withTree(t);
  const first = await store.snapshot();
  const before = chunkNames(store);
  const lookUps = t.mock.method(store.datastore.catalog.indexFiles, 'addChunks');
  const second = await store.snapshots.create(parseGroupPath(GROUP));
  assert.deepEqual(chunkNames(store), before);
  assert.equal(second.addedBytes, 0);
  assert.equal(lookUps.mock.callCount(), 0, 'nor is any of its chunks looked up');
  const [a, b] = [readSnapshot(store.folder, GROUP, first), readSnapshot(store.folder, GROUP, second.time)];
  for (const name of [METADATA, PAYLOAD, ATTRIBUTES])
    assert.deepEqual(a.indexes[name]?.chunks, b.indexes[name]?.chunks);
});

test('after a snapshot nothing is held and the live tree reads as before, also when it is opened again', async (t) => {
  const { store, files } = await withTree(t);
  const time = await store.snapshot();
  await store.live.durability.commitDurably();
  assert.deepEqual(heldChunks(), []);
  for (const again of [false, true]) {
    if (again) await store.reopen();
    for (const [path, bytes] of files) {
      const digest = (name: Buffer): string => createHash('sha256').update(name).digest('hex');
      assert.equal(digest(await store.read(at(path))), digest(bytes), path);
      assert.equal(digest(await store.read(`${GROUP}/${time}/${path}`)), digest(bytes), path);
    }
  }
});

function chunkNames(store: OpenStore): string[] {
  const root = join(store.folder, '.chunks');
  return readdirSync(root).flatMap((prefix) => readdirSync(join(root, prefix)));
}
