import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { STORAGE_PACKED } from '../../src/catalog/inode.js';
import { JournalFile } from '../../src/native/journal-file.js';
import type { HandleId } from '../../src/vfs/api.js';
import { ofKind } from '../support/catalog.js';
import { bodyOf } from '../support/live-store.js';
import { b, CALLER, O_RDONLY, O_RDWR, O_WRONLY, TestVfs, textOf } from '../support/live-vfs.js';

const MIB = 1024 * 1024;
const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;
const ZERO_RANGE = 16;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

test('writes are seen at once, in bytes and in size, by every handle', async (t) => {
  const tree = await TestVfs.make(t);
  const { node, handle } = await tree.create('f');
  const reader = await tree.open(node, O_RDONLY);
  await tree.write(handle, 3, 'abc');
  assert.equal((await tree.stat(node)).size, 6);
  assert.equal((await tree.read(reader)).toString(), '\0\0\0abc');
  assert.equal((await tree.read(reader, 4, 1)).toString(), 'b');
  assert.equal((await tree.read(reader, 6)).length, 0);
  await tree.close(handle);
  assert.equal((await tree.read(reader, 2, 2)).toString(), '\0a');
  await assert.rejects(tree.write(reader, 0, 'x'), ofKind('invalid'));
});

test('handles that are closed or never were are stale', async (t) => {
  const tree = await TestVfs.make(t);
  const { handle } = await tree.create('f');
  await tree.close(handle);
  await tree.vfs.files.release(handle);
  await assert.rejects(tree.read(handle), ofKind('stale'));
  await assert.rejects(tree.write(handle, 0, 'x'), ofKind('stale'));
  await assert.rejects(async () => tree.vfs.files.flush(handle), ofKind('stale'));
  await assert.rejects(async () => tree.vfs.files.seek(999, 0, SEEK_DATA), ofKind('stale'));
  assert.equal(tree.parts.openFiles.count, 0);
});

test('only regular files are opened', async (t) => {
  const tree = await TestVfs.make(t);
  await assert.rejects(tree.open(tree.current), ofKind('is-a-directory'));
  const fifo = await tree.vfs.names.makeNode(CALLER, tree.current, b('p'), 0o010600, 0, 0);
  await assert.rejects(tree.open(fifo.node), ofKind('unsupported'));
});

test('a full disk keeps nobody from reading', async (t) => {
  const tree = await TestVfs.make(t);
  const node = await tree.file('f', 'content');
  t.mock.method(JournalFile.prototype, 'append', () => {
    throw Object.assign(new Error('full'), { code: 'ENOSPC' });
  });
  assert.equal(await textOf(tree, node), 'content');
});

test('a search for data takes nobody the error of his writes', async (t) => {
  const tree = await TestVfs.make(t);
  const { node, handle } = await tree.create('f');
  await tree.write(handle, 0, 'content');
  const reader = await tree.open(node, O_RDONLY);
  const mocked = t.mock.method(JournalFile.prototype, 'append', () => {
    throw Object.assign(new Error('full'), { code: 'ENOSPC' });
  });
  await assert.rejects(async () => tree.vfs.files.seek(reader, 0, SEEK_DATA), ofKind('no-data-here'));
  mocked.mock.restore();
  await assert.rejects(async () => tree.vfs.files.flush(handle), ofKind('no-space'));
  await tree.vfs.files.flush(handle);
});

test('of bytes that are lost the kernel is told, which believes the size that it saw', async (t) => {
  const tree = await TestVfs.make(t);
  const { node, handle } = await tree.create('f');
  const lost: number[] = [];
  tree.store.live.contents.onLost((ino) => lost.push(ino));
  await tree.write(handle, 0, 'content');
  assert.equal((await tree.stat(node)).size, 7);
  await onFullDisk(t, () => assert.rejects(async () => tree.vfs.files.flush(handle), ofKind('no-space')));
  assert.deepEqual([lost, (await tree.stat(node)).size], [[node.position], 0]);
});

test('a hole takes no blocks, neither before nor after what is behind it was stored', async (t) => {
  const tree = await TestVfs.make(t);
  const { node, handle } = await tree.create('f');
  const isSparse = async () => assert.equal((await tree.stat(node)).blocks, 1);
  await tree.write(handle, 2 ** 30, 'x');
  await isSparse();
  await tree.write(handle, 2 ** 30, 'y');
  await isSparse();
  await tree.close(handle);
  await isSparse();
});

/** The journal takes nothing while it is called. */
async function onFullDisk(t: TestContext, action: () => Promise<unknown>): Promise<void> {
  const mocked = t.mock.method(JournalFile.prototype, 'append', () => {
    throw Object.assign(new Error('full'), { code: 'ENOSPC' });
  });
  await action();
  mocked.mock.restore();
}

test('each open handle is told once of bytes that could not be stored, by fsync or close', async (t) => {
  const tree = await TestVfs.make(t);
  const { node, handle } = await tree.create('f');
  const [second, reader] = [await tree.open(node, O_RDWR), await tree.open(node, O_RDONLY)];
  const { flush } = tree.vfs.files;
  const sync = async (of: HandleId) => tree.vfs.files.sync(of, false);
  const isTold = (tell: typeof flush, of: HandleId) => assert.rejects(async () => tell(of), ofKind('no-space'));
  await tree.write(handle, 0, 'content');
  await onFullDisk(t, () => isTold(flush, handle));
  await flush(handle);
  await sync(handle);
  await assert.rejects(tree.write(second, 0, 'x'), ofKind('no-space'), 'a writer need not wait for fsync');
  await isTold(sync, second);
  await sync(second);
  await isTold(sync, reader);
  await sync(reader);
  const later = await tree.open(node, O_RDWR);
  await sync(later);
  await tree.write(second, 0, 'stored');
  for (const open of [handle, second, later]) await flush(open);
  assert.equal(await textOf(tree, node), 'stored');
  await onFullDisk(t, async () => {
    await tree.write(later, 0, 'again');
    await isTold(sync, later);
  });
  await isTold(flush, handle);
});

test('a handle opened later hears of what nobody has been told', async (t) => {
  const tree = await TestVfs.make(t);
  const { node, handle } = await tree.create('f');
  await tree.write(handle, 0, 'content');
  await onFullDisk(t, async () => tree.vfs.files.release(handle));
  const [first, second] = [await tree.open(node, O_RDONLY), await tree.open(node, O_RDWR)];
  await assert.rejects(async () => tree.vfs.files.sync(first, false), ofKind('no-space'));
  const third = await tree.open(node, O_RDWR);
  await tree.vfs.files.sync(third, false);
  await assert.rejects(async () => tree.vfs.files.flush(second), ofKind('no-space'));
  for (const open of [first, second, third]) await tree.close(open);
  const other = await tree.open(node, O_RDWR);
  await tree.write(other, 0, 'stored');
  await tree.vfs.files.sync(other, false);
});

test('fallocate grows files, keeps sizes, punches holes and zeroes ranges', async (t) => {
  const tree = await TestVfs.make(t);
  const { node, handle } = await tree.create('f');
  const allocate = async (offset: number, length: number, mode: number) =>
    tree.vfs.files.allocate(CALLER, handle, offset, length, mode);
  await tree.write(handle, 0, 'abcdefgh');
  await allocate(0, 20, KEEP_SIZE);
  assert.equal((await tree.stat(node)).size, 8);
  await allocate(0, 12, 0);
  assert.equal((await tree.read(handle)).toString(), 'abcdefgh\0\0\0\0');
  await allocate(2, 3, PUNCH_HOLE | KEEP_SIZE);
  assert.equal((await tree.read(handle)).toString(), 'ab\0\0\0fgh\0\0\0\0');
  await allocate(6, 100, PUNCH_HOLE | KEEP_SIZE);
  assert.equal((await tree.read(handle)).toString(), `ab\0\0\0f${'\0'.repeat(6)}`);
  await allocate(1, 14, ZERO_RANGE);
  assert.equal((await tree.read(handle)).toString(), `a${'\0'.repeat(14)}`);
  await assert.rejects(allocate(0, 1, 8), ofKind('unsupported'));
  await assert.rejects(allocate(Number.MAX_SAFE_INTEGER - 1, 10, 0), ofKind('too-large'));
  const reader = await tree.open(node, O_RDONLY);
  await assert.rejects(async () => tree.vfs.files.allocate(CALLER, reader, 0, 1, 0), ofKind('invalid'));
});

test('a packed file with a hole is packed no more, and is so again after packing', async (t) => {
  const tree = await TestVfs.make(t);
  const node = await tree.file('f', 'abcdefgh');
  const inode = () => tree.parts.tree.inodes.find(node.position);
  await tree.store.live.packer.run();
  assert.equal(inode()?.storage, STORAGE_PACKED);
  const handle = await tree.open(node);
  await tree.vfs.files.allocate(CALLER, handle, 4, 4, PUNCH_HOLE | KEEP_SIZE);
  assert.equal(inode()?.storage, 0, 'its one piece is shorter than the file now');
  await tree.close(handle);
  assert.equal(await textOf(tree, node), 'abcd\0\0\0\0');
});

test('a large file cut down to a small one is large no more', async (t) => {
  const tree = await TestVfs.make(t);
  const { node, handle } = await tree.create('f');
  await tree.write(handle, 0, Buffer.alloc(2 * MIB, 1));
  await tree.close(handle);
  await tree.set(node, { size: 1000 });
  assert.equal(tree.parts.tree.inodes.find(node.position)?.storage, 0);
  assert.equal((await textOf(tree, node)).length, 1000);
});

test('lseek finds data and holes, in files that are still being written too', async (t) => {
  const tree = await TestVfs.make(t);
  const { handle } = await tree.create('f');
  const seek = async (offset: number, whence: number) => tree.vfs.files.seek(handle, offset, whence);
  await assert.rejects(seek(0, SEEK_DATA), ofKind('no-data-here'));
  await tree.write(handle, MIB, Buffer.alloc(MIB, 1));
  await tree.write(handle, 4 * MIB, Buffer.alloc(MIB, 2));
  assert.equal(await seek(0, SEEK_HOLE), 0);
  assert.equal(await seek(0, SEEK_DATA), MIB);
  assert.equal(await seek(MIB + 5, SEEK_DATA), MIB + 5);
  assert.equal(await seek(MIB + 5, SEEK_HOLE), 2 * MIB);
  assert.equal(await seek(3 * MIB, SEEK_DATA), 4 * MIB);
  assert.equal(await seek(4 * MIB, SEEK_HOLE), 5 * MIB);
  await assert.rejects(seek(5 * MIB, SEEK_HOLE), ofKind('no-data-here'));
  await assert.rejects(seek(0, 0), ofKind('invalid'));
  await tree.vfs.files.allocate(CALLER, handle, 4 * MIB, MIB, PUNCH_HOLE | KEEP_SIZE);
  await assert.rejects(seek(3 * MIB, SEEK_DATA), ofKind('no-data-here'));
});

test('fsync makes a file survive, also through a handle that only reads', async (t) => {
  const tree = await TestVfs.make(t);
  const { node, handle } = await tree.create('f');
  await tree.write(handle, 0, 'content');
  await tree.vfs.files.sync(await tree.open(node, O_RDONLY), false);
  assert.ok(tree.store.live.durability.allDurable);
  await tree.crash();
  assert.equal(await textOf(tree, node), 'content');
});

test('bytes go straight through for a writer that is alone, and for others as long as it is there', async (t) => {
  const tree = await TestVfs.make(t);
  const made = await tree.create('f', { flags: O_RDWR });
  assert.equal(made.open.directIo, true);
  const open = async (flags: number) => tree.vfs.files.open(CALLER, made.node, flags);
  const second = await open(O_RDONLY);
  assert.equal(second.directIo, true);
  await tree.close(made.handle);
  assert.equal((await open(O_WRONLY)).directIo, false, 'a reader may have cached bytes');
  for (const handle of [second.handle, second.handle + 1]) await tree.vfs.files.release(handle);
  const handle = second.handle + 2;
  const cached = { directIo: false, noFlush: true };
  assert.deepEqual(await open(O_RDONLY), { ...cached, handle, keepCache: false }, 'its first read has to move atime');
  await tree.vfs.files.read(handle, 0, 1);
  await tree.vfs.files.release(handle);
  assert.deepEqual(await open(O_RDONLY), { ...cached, handle: handle + 1, keepCache: true });
});

test('a write takes set-id bits away where the kernel says so, and file capabilities always', async (t) => {
  const tree = await TestVfs.make(t);
  const node = await tree.file('f', 'content');
  const capability = b('security.capability');
  await tree.vfs.xattrs.set(CALLER, node, capability, b('caps'), 0, false);
  await tree.set(node, { mode: 0o6755 });
  const handle = await tree.open(node);
  await tree.vfs.files.write(CALLER, handle, 0, bodyOf(b('C')), false);
  assert.equal((await tree.stat(node)).mode & 0o7777, 0o6755);
  await assert.rejects(async () => tree.vfs.xattrs.get(node, capability), ofKind('no-attribute'));
  await tree.vfs.xattrs.set(CALLER, node, capability, b('again'), 0, false);
  await tree.vfs.files.write(CALLER, handle, 0, bodyOf(b('y')), false);
  await assert.rejects(async () => tree.vfs.xattrs.get(node, capability), ofKind('no-attribute'));
  assert.deepEqual(tree.changedUnasked, []);
  await tree.vfs.files.write(CALLER, handle, 0, bodyOf(b('C')), true);
  assert.equal((await tree.stat(node)).mode & 0o7777, 0o755);
  assert.deepEqual(tree.changedUnasked, [node.position], 'the kernel believes the mode it has');
});

test('setgid without group execute is kept for members of the group', async (t) => {
  const tree = await TestVfs.make(t);
  const node = await tree.file('f', 'content');
  await tree.set(node, { mode: 0o6666, gid: 7 });
  await tree.set(node, { mode: 0o6666 });
  const handle = await tree.open(node);
  const modeAfterWriteOf = async (gid: number) => {
    await tree.vfs.files.write({ uid: 5, gid, pid: 0 }, handle, 0, bodyOf(b('C')), true);
    return (await tree.stat(node)).mode & 0o7777;
  };
  assert.equal(await modeAfterWriteOf(7), 0o2666);
  assert.equal(await modeAfterWriteOf(8), 0o666);
});

test('a store that takes no changes is still read', async (t) => {
  const tree = await TestVfs.make(t);
  const node = await tree.file('f', 'content');
  tree.parts.log.fail('it is a test', undefined);
  assert.equal(await textOf(tree, node), 'content');
  await assert.rejects(tree.create('g'), ofKind('read-only'));
  await assert.rejects(tree.set(node, { mode: 0o600 }), ofKind('read-only'));
  await assert.rejects(tree.set(node, { size: 0 }), ofKind('read-only'));
  await assert.rejects(async () => tree.vfs.names.unlink(tree.current, b('f')), ofKind('read-only'));
  const handle = await tree.open(node);
  await assert.rejects(tree.write(handle, 0, 'x'), ofKind('read-only'));
  await tree.close(handle);
});
