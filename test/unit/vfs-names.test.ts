import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../src/vfs/api.js';
import { liveNode } from '../../src/vfs/live/live-nodes.js';
import { ofKind } from '../support/catalog.js';
import {
  b,
  CALLER,
  exists,
  namesIn,
  O_RDONLY,
  O_RDWR,
  otherGroup,
  rename,
  TestVfs,
  textOf,
} from '../support/live-vfs.js';

const NOREPLACE = 1;
const EXCHANGE = 2;
const WHITEOUT = 4;
const LONG = 'x'.repeat(255);

test('names are 255 bytes at most and taken once', async (t) => {
  const tree = await TestVfs.make(t);
  await tree.file(LONG, 'a');
  assert.equal((await tree.lookup(LONG))?.size, 1);
  assert.equal(await tree.lookup('absent'), undefined);
  await assert.rejects(tree.lookup(`${LONG}x`), ofKind('name-too-long'));
  await assert.rejects(tree.create(`${LONG}x`), ofKind('name-too-long'));
  await assert.rejects(rename(tree, LONG, `${LONG}x`), ofKind('name-too-long'));
  await assert.rejects(tree.create(LONG), ofKind('exists'));
  await assert.rejects(tree.folder(LONG), ofKind('exists'));
  await assert.rejects(async () => tree.vfs.names.symlink(CALLER, tree.current, b(LONG), b('t')), ofKind('exists'));
  const bytes = Buffer.from([0xff, 0x0a, 0x80]);
  await tree.vfs.names.makeNode(CALLER, tree.current, bytes, 0o010600, 0, 0);
  assert.equal((await tree.vfs.names.lookup(tree.current, bytes))?.mode, 0o010600);
});

test('symbolic links hold up to 4095 bytes', async (t) => {
  const tree = await TestVfs.make(t);
  const target = Buffer.alloc(4095, 'a');
  const { node, mode, size } = await tree.vfs.names.symlink(CALLER, tree.current, b('l'), target);
  assert.deepEqual([mode, size], [0o120777, 4095]);
  assert.ok(target.equals(await tree.vfs.attributes.readLink(node)));
  const make = async (name: string, to: Buffer) => tree.vfs.names.symlink(CALLER, tree.current, b(name), to);
  await assert.rejects(make('m', Buffer.alloc(4096, 'a')), ofKind('name-too-long'));
  await assert.rejects(make('m', b('')), ofKind('not-found'));
  await assert.rejects(async () => tree.vfs.attributes.readLink(tree.current), ofKind('invalid'));
  await assert.rejects(tree.open(node, O_RDONLY));
});

test('rename replaces only what may be replaced', async (t) => {
  const tree = await TestVfs.make(t);
  await tree.file('a', 'a');
  await tree.file('b', 'b');
  const [empty, full] = [await tree.folder('empty'), await tree.folder('full')];
  await tree.file('in', '', full);
  await assert.rejects(rename(tree, 'absent', 'x'), ofKind('not-found'));
  await assert.rejects(rename(tree, 'a', 'empty'), ofKind('is-a-directory'));
  await assert.rejects(rename(tree, 'empty', 'a'), ofKind('not-a-directory'));
  await assert.rejects(rename(tree, 'empty', 'full'), ofKind('not-empty'));
  await assert.rejects(rename(tree, 'a', 'b', { flags: NOREPLACE }), ofKind('exists'));
  await assert.rejects(rename(tree, 'a', 'c', { flags: WHITEOUT | EXCHANGE }), ofKind('invalid'));
  await assert.rejects(rename(tree, 'a', 'b', { flags: NOREPLACE | EXCHANGE }), ofKind('invalid'));
  await rename(tree, 'a', 'b');
  await rename(tree, 'full', 'empty');
  assert.deepEqual(await namesIn(tree), ['b', 'empty']);
  assert.equal(await textOf(tree, (await tree.lookup('b'))!.node), 'a');
  assert.deepEqual(await namesIn(tree, full), ['in']);
  assert.equal((await tree.stat(empty)).nlink, 0);
  await assert.rejects(tree.create('x', { parent: empty }), ofKind('not-found'));
});

test('rename makes no loops and leads into no other group', async (t) => {
  const tree = await TestVfs.make(t);
  const a = await tree.folder('a');
  const inner = await tree.folder('inner', a);
  await assert.rejects(rename(tree, 'a', 'x', { into: inner }), ofKind('invalid'));
  await assert.rejects(rename(tree, 'a', 'x', { into: a }), ofKind('invalid'));
  await assert.rejects(rename(tree, 'inner', 'a', { from: a, flags: EXCHANGE }), ofKind('invalid'));
  await assert.rejects(rename(tree, 'a', 'inner', { into: a, flags: EXCHANGE }), ofKind('invalid'));
  const other = otherGroup(tree, 'web2');
  await assert.rejects(rename(tree, 'a', 'a', { into: other }), ofKind('cross-device'));
  const file = await tree.file('f');
  await assert.rejects(async () => tree.vfs.names.link(file, other, b('f')), ofKind('cross-device'));
  await assert.rejects(async () => tree.vfs.names.link(a, tree.current, b('h')), ofKind('not-permitted'));
});

test('rename with EXCHANGE swaps two names of any type, link counts included', async (t) => {
  const tree = await TestVfs.make(t);
  const [a, c] = [await tree.folder('a'), await tree.folder('c')];
  const inner = await tree.folder('inner', a);
  const file = await tree.file('f', 'file', c);
  await assert.rejects(rename(tree, 'a', 'absent', { flags: EXCHANGE }), ofKind('not-found'));
  const links = async () => [(await tree.stat(a)).nlink, (await tree.stat(c)).nlink];
  assert.deepEqual(await links(), [3, 2]);
  await rename(tree, 'inner', 'f', { from: a, into: c, flags: EXCHANGE });
  assert.deepEqual(await links(), [2, 3]);
  assert.deepEqual((await tree.lookup('inner', a))?.node, file);
  assert.deepEqual((await tree.lookup('f', c))?.node, inner);
});

test('rename between two names of one inode does nothing', async (t) => {
  const tree = await TestVfs.make(t);
  const node = await tree.file('a', 'x');
  assert.equal((await tree.vfs.names.link(node, tree.current, b('b'))).nlink, 2);
  const before = await tree.stat(node);
  await rename(tree, 'a', 'b');
  assert.deepEqual(await namesIn(tree), ['a', 'b']);
  assert.deepEqual(await tree.stat(node), before);
});

test('names change only in live trees', async (t) => {
  const tree = await TestVfs.make(t);
  const root = liveNode(1);
  await assert.rejects(tree.create('x', { parent: root }), ofKind('not-permitted'));
  await assert.rejects(async () => tree.vfs.names.unlink(root, b('host')), ofKind('not-permitted'));
  await assert.rejects(rename(tree, 'host', 'x', { from: root, into: root }), ofKind('not-permitted'));
  await assert.rejects(tree.set(root, { mode: 0o700 }), ofKind('not-permitted'));
  const file = await tree.file('f');
  await assert.rejects(tree.create('x', { parent: file }), ofKind('not-a-directory'));
  await assert.rejects(async () => tree.vfs.names.unlink(tree.current, b('absent')), ofKind('not-found'));
  const folder = await tree.folder('d');
  await assert.rejects(async () => tree.vfs.names.unlink(tree.current, b('d')), ofKind('is-a-directory'));
  await assert.rejects(async () => tree.vfs.names.removeFolder(tree.current, b('f')), ofKind('not-a-directory'));
  await tree.file('in', '', folder);
  await assert.rejects(async () => tree.vfs.names.removeFolder(tree.current, b('d')), ofKind('not-empty'));
});

test('an unlinked file lives until its last handle is closed and the kernel forgets it', async (t) => {
  const tree = await TestVfs.make(t);
  const node = await tree.file('f', 'content');
  const handle = await tree.open(node);
  await tree.vfs.names.unlink(tree.current, b('f'));
  assert.equal((await tree.stat(node)).nlink, 0);
  await tree.write(handle, 7, ' and more');
  assert.equal((await tree.read(handle)).toString(), 'content and more');
  tree.vfs.names.forget(node, 1);
  assert.ok(exists(tree, node), 'gone while it is open');
  await tree.close(handle);
  assert.ok(!exists(tree, node));
  await assert.rejects(tree.stat(node), ofKind('stale'));
  assert.deepEqual(tree.store.datastore.catalog.orphans.list(0, 10), []);
});

test('an unlinked large file that is forgotten while its close stores bytes ends without an error', async (t) => {
  const tree = await TestVfs.make(t);
  const { node, handle } = await tree.create('f');
  for (let at = 0; at < 6; at++) await tree.write(handle, at << 20, Buffer.alloc(1 << 20, at + 1));
  await tree.vfs.names.unlink(tree.current, b('f'));
  const released = tree.vfs.files.release(handle);
  tree.vfs.names.forget(node, 1);
  assert.ok(exists(tree, node), 'gone while its bytes are being stored');
  await released;
  assert.ok(!exists(tree, node));
});

test('a folder without a name stays while the kernel has a reference, whatever it gave back before', async (t) => {
  const tree = await TestVfs.make(t);
  const folder = await tree.folder('d');
  // The kernel evicts the folder, looks it up anew, and its FORGET of the first time is read last.
  await tree.lookup('d');
  await tree.vfs.names.removeFolder(tree.current, b('d'));
  tree.vfs.names.forget(folder, 1);
  assert.equal((await tree.stat(folder)).nlink, 0, 'somebody is in it');
  tree.vfs.names.forget(folder, 1);
  assert.ok(!exists(tree, folder));
  assert.deepEqual(tree.references.figures(), { nodes: 0, references: 0 });
});

test('what the daemon itself took the last name of ends when nobody knows it', async (t) => {
  const tree = await TestVfs.make(t);
  const take = async (name: string): Promise<{ node: NodeId; unlink: () => void }> => {
    const node = await tree.file(name, 'content');
    const change = { kind: 'unlink', parent: tree.current.position, name: b(name), timeSec: 1, timeNsec: 0 } as const;
    const unlink = (): void => {
      tree.parts.log.make(change);
      tree.parts.orphans.addUnasked(node.position);
    };
    return { node, unlink };
  };
  const [unknown, known, open] = [await take('unknown'), await take('known'), await take('open')];
  const handle = await tree.open(open.node);
  for (const { node } of [unknown, open]) tree.vfs.names.forget(node, 1);
  for (const { unlink } of [unknown, known, open]) unlink();
  const there = () => [unknown, known, open].map(({ node }) => exists(tree, node));
  assert.deepEqual(there(), [false, true, true]);
  tree.vfs.names.forget(known.node, 1);
  await tree.close(handle);
  assert.deepEqual(there(), [false, false, false]);
  assert.deepEqual(tree.store.datastore.catalog.orphans.list(0, 10), []);
});

test('a file with another name, and one that is only forgotten, stay', async (t) => {
  const tree = await TestVfs.make(t);
  const node = await tree.file('f', 'content');
  await tree.vfs.names.link(node, tree.current, b('g'));
  await tree.vfs.names.unlink(tree.current, b('f'));
  tree.vfs.names.forget(node, 1);
  assert.equal(await textOf(tree, node), 'content');
});

test('orphans of a killed daemon are listed and dropped by the next mount', async (t) => {
  const tree = await TestVfs.make(t);
  const node = await tree.file('f', 'content');
  await tree.open(node, O_RDONLY);
  await tree.vfs.names.unlink(tree.current, b('f'));
  await tree.crash();
  assert.ok(exists(tree, node));
  tree.parts.orphans.dropAll();
  assert.ok(!exists(tree, node));
});

test('FORGET never fails, also where the store takes no changes', async (t) => {
  const tree = await TestVfs.make(t);
  const node = await tree.file('f', 'content');
  await tree.vfs.names.unlink(tree.current, b('f'));
  tree.parts.log.fail('it is a test', undefined);
  tree.vfs.names.forget(node, 1);
  tree.parts.orphans.dropAll();
  assert.ok(exists(tree, node));
});

test('O_TMPFILE makes a file without a name that may get one', async (t) => {
  const tree = await TestVfs.make(t);
  const make = () => tree.vfs.names.temporary(CALLER, tree.current, 0o600, 0, O_RDWR);
  const [kept, lost] = [await make(), await make()];
  assert.equal(kept.attributes.nlink, 0);
  await tree.write(kept.open.handle, 0, 'kept');
  assert.deepEqual(await namesIn(tree), []);
  assert.equal((await tree.vfs.names.link(kept.attributes.node, tree.current, b('named'))).nlink, 1);
  await tree.close(kept.open.handle);
  await tree.close(lost.open.handle);
  for (const { attributes } of [kept, lost]) tree.vfs.names.forget(attributes.node, 1);
  assert.equal(await textOf(tree, kept.attributes.node), 'kept');
  assert.ok(!exists(tree, lost.attributes.node));
});

test('a folder is listed in pieces, also while names come and go', async (t) => {
  const tree = await TestVfs.make(t);
  for (let n = 0; n < 10; n++) await tree.file(`f${n}`);
  const handle = await tree.vfs.folders.open(tree.current);
  const first = await tree.vfs.folders.read(handle, 0, 5);
  assert.deepEqual(
    first.slice(0, 2).map(({ name }) => Buffer.from(name).toString()),
    ['.', '..'],
  );
  await tree.vfs.names.unlink(tree.current, b('f0'));
  await tree.vfs.names.unlink(tree.current, b('f7'));
  const rest = await tree.vfs.folders.read(handle, first.at(-1)!.cookie, 100);
  const names = [...first, ...rest].map(({ name }) => Buffer.from(name).toString());
  assert.equal(new Set(names).size, names.length);
  assert.ok(!names.includes('f7'));
  for (const stays of ['f1', 'f5', 'f9']) assert.ok(names.includes(stays), stays);
  tree.vfs.folders.release(handle);
  await assert.rejects(async () => tree.vfs.folders.read(handle, 0, 1), ofKind('stale'));
});

test('all names survive a kill', async (t) => {
  const tree = await TestVfs.make(t);
  const folder = await tree.folder('d');
  await tree.file('f', 'text', folder);
  await rename(tree, 'd', 'e');
  await tree.crash();
  assert.deepEqual(await namesIn(tree), ['e']);
  assert.equal(await textOf(tree, (await tree.lookup('f', folder))!.node), 'text');
});
