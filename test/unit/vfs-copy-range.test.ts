import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { STORAGE_LARGE, STORAGE_PACKED } from '../../src/catalog/inode.js';
import { hashedBytes } from '../../src/native/hashed-bytes.js';
import { isHeld } from '../../src/native/holds.js';
import type { NodeId } from '../../src/vfs/api.js';
import { ofKind } from '../support/catalog.js';
import { CALLER, O_RDONLY, TestVfs, textOf } from '../support/live-vfs.js';

const MIB = 1024 * 1024;

/** A closed file of these bytes. */
async function fileOf(tree: TestVfs, name: string, bytes: Buffer): Promise<NodeId> {
  const { node, handle } = await tree.create(name);
  await tree.write(handle, 0, bytes);
  await tree.close(handle);
  return node;
}

/** Copies a range until nothing is left of it; how many bytes, and in how many steps. */
async function copy(
  tree: TestVfs,
  from: NodeId,
  to: NodeId,
  { fromOffset = 0, toOffset = 0, length = Number.MAX_SAFE_INTEGER } = {},
): Promise<{ copied: number; steps: number }> {
  const [source, target] = [await tree.open(from, O_RDONLY), await tree.open(to)];
  const { files } = tree.vfs;
  let [copied, steps] = [0, 0];
  for (;;) {
    const rest = { from: source, fromOffset: fromOffset + copied, to: target, toOffset: toOffset + copied };
    const count = await files.copyRange(CALLER, { ...rest, length: length - copied });
    if (count === 0) break;
    copied += count;
    steps += 1;
  }
  await files.release(source);
  await tree.close(target);
  return { copied, steps };
}

async function bytesOf(tree: TestVfs, node: NodeId): Promise<Buffer> {
  const handle = await tree.open(node, O_RDONLY);
  const bytes = await tree.read(handle, 0, 64 * MIB);
  await tree.vfs.files.release(handle);
  return bytes;
}

/** What has been done to chunks and bytes so far. */
function work(tree: TestVfs): Record<string, number> {
  const { chunks, journal } = tree.store.live.parts;
  return { ...chunks.counters, hashed: hashedBytes(), journalMib: Math.floor(journal.appendedBytes / MIB) };
}

test('a whole file is copied in one step: nothing is loaded, hashed or stored', async (t) => {
  const tree = await TestVfs.make(t);
  const bytes = randomBytes(12 * MIB + 5);
  const [from, to] = [await fileOf(tree, 'a', bytes), await tree.file('b')];
  const before = work(tree);
  assert.deepEqual(await copy(tree, from, to), { copied: bytes.length, steps: 1 });
  assert.deepEqual(work(tree), before);
  assert.ok((await bytesOf(tree, to)).equals(bytes));
  assert.equal((await tree.stat(to)).blocks, (await tree.stat(from)).blocks);
});

test('a range lands where it was wanted, and survives the death of the daemon', async (t) => {
  const tree = await TestVfs.make(t);
  const [a, b] = [randomBytes(6 * MIB), randomBytes(5 * MIB)];
  const [from, to] = [await fileOf(tree, 'a', a), await fileOf(tree, 'b', b)];
  const { copied } = await copy(tree, from, to, { fromOffset: 1_234_567, toOffset: 3_000_001, length: 2_500_000 });
  assert.equal(copied, 2_500_000);
  const wanted = Buffer.concat([b.subarray(0, 3_000_001), a.subarray(1_234_567, 3_734_567)]);
  assert.ok((await bytesOf(tree, to)).equals(wanted));
  await tree.crash();
  assert.ok((await bytesOf(tree, to)).equals(wanted));
  assert.ok((await bytesOf(tree, from)).equals(a));
});

test('what was written to either file just before counts', async (t) => {
  const tree = await TestVfs.make(t);
  const [source, target] = [await tree.create('a'), await tree.create('b')];
  const bytes = randomBytes(5 * MIB);
  await tree.write(source.handle, 0, bytes);
  await tree.write(target.handle, 0, Buffer.alloc(MIB, 'x'));
  await tree.write(target.handle, 4 * MIB, Buffer.alloc(100, 'y'));
  assert.equal((await copy(tree, source.node, target.node, { toOffset: MIB - 10 })).copied, bytes.length);
  await tree.write(source.handle, 0, Buffer.alloc(MIB, 'later'));
  await tree.close(source.handle);
  await tree.close(target.handle);
  const found = await bytesOf(tree, target.node);
  assert.ok(found.equals(Buffer.concat([Buffer.alloc(MIB - 10, 'x'), bytes])));
});

test('holes stay holes', async (t) => {
  const tree = await TestVfs.make(t);
  const { node: from, handle } = await tree.create('a');
  await tree.write(handle, 2 * MIB, randomBytes(2 * MIB));
  await tree.set(from, { size: 100 * MIB });
  await tree.close(handle);
  const to = await fileOf(tree, 'b', randomBytes(3 * MIB));
  assert.equal((await copy(tree, from, to)).copied, 100 * MIB);
  assert.equal((await tree.stat(to)).blocks, (2 * MIB) / 512);
  const opened = await tree.open(to, O_RDONLY);
  assert.equal(await tree.vfs.files.seek(opened, 0, 3), 2 * MIB);
  assert.equal(await tree.vfs.files.seek(opened, 2 * MIB, 4), 4 * MIB);
});

test('a packed file is copied by its piece, parts of small files are left to the kernel', async (t) => {
  const tree = await TestVfs.make(t);
  const [from, to] = [await tree.file('a', 'content'), await tree.file('b', 'old')];
  await tree.store.live.packer.run();
  const inode = (node: NodeId) => tree.parts.tree.inodes.find(node.position);
  assert.equal(inode(from)?.storage, STORAGE_PACKED);
  await assert.rejects(copy(tree, from, to, { fromOffset: 3 }), ofKind('unsupported'));
  assert.equal((await copy(tree, from, to)).copied, 7);
  assert.equal(inode(to)?.storage, STORAGE_PACKED);
  assert.equal(await textOf(tree, to), 'content');
  const large = await fileOf(tree, 'c', Buffer.alloc(MIB, 'c'));
  assert.equal((await copy(tree, from, large, { toOffset: 100 })).copied, 7);
  assert.equal(inode(large)?.storage, STORAGE_LARGE);
  assert.ok((await textOf(tree, large)).startsWith(`${'c'.repeat(100)}contentc`));
});

test('a part with many extents is copied in steps, each of few rows', async (t) => {
  const tree = await TestVfs.make(t);
  const { node: from, handle } = await tree.create('a');
  for (let n = 0; n < 1300; n += 1) {
    await tree.write(handle, n * 200_000, `piece ${n}`);
    await tree.vfs.files.flush(handle);
  }
  await tree.close(handle);
  const to = await tree.file('b');
  const length = 1299 * 200_000;
  const { copied, steps } = await copy(tree, from, to, { length });
  assert.deepEqual([copied, steps], [length, 3]);
  const opened = await tree.open(to, O_RDONLY);
  assert.equal((await tree.read(opened, 1298 * 200_000, 10)).toString(), 'piece 1298');
});

test('copies within a file, at its end and with itself', async (t) => {
  const tree = await TestVfs.make(t);
  const bytes = randomBytes(3 * MIB);
  const node = await fileOf(tree, 'a', bytes);
  await assert.rejects(copy(tree, node, node, { toOffset: MIB, length: 2 * MIB }), ofKind('invalid'));
  assert.equal((await copy(tree, node, node, { toOffset: 3 * MIB, length: 3 * MIB })).copied, 3 * MIB);
  assert.ok((await bytesOf(tree, node)).equals(Buffer.concat([bytes, bytes])));
  assert.equal((await copy(tree, node, node, { fromOffset: 6 * MIB, toOffset: 0 })).copied, 0);
  const writer = await tree.open(node, 1);
  const reader = await tree.open(node, O_RDONLY);
  const { files } = tree.vfs;
  const wrong = { from: writer, fromOffset: 0, to: reader, toOffset: 0, length: 1 };
  await assert.rejects(async () => files.copyRange(CALLER, wrong), ofKind('invalid'));
});

test('times, size and set-id bits are those after a write', async (t) => {
  const tree = await TestVfs.make(t);
  const [from, to] = [await fileOf(tree, 'a', Buffer.alloc(MIB)), await tree.file('b')];
  await tree.set(to, { mode: 0o6755, mtime: { sec: 5, nsec: 5 } });
  await copy(tree, from, to);
  const { mode, mtimeSec, ctimeSec, size } = await tree.stat(to);
  assert.deepEqual([mode & 0o7777, size], [0o755, MIB]);
  assert.ok(mtimeSec > 10_000 && ctimeSec >= mtimeSec);
});

test('a chunk that only the copy names is in use until the commit, and after it', async (t) => {
  const tree = await TestVfs.make(t);
  const [from, to] = [await fileOf(tree, 'a', randomBytes(2 * MIB)), await tree.file('b')];
  await copy(tree, from, to);
  tree.vfs.names.unlink(tree.current, Buffer.from('a'));
  tree.vfs.names.forget(from, 1);
  const digests = [...tree.parts.tree.extents.all(to.position)].flatMap((e) => (e.kind === 'chunk' ? [e.digest] : []));
  assert.ok(digests.length > 0 && digests.every(isHeld));
  await tree.store.commitAll();
  assert.ok(!digests.some(isHeld));
  await tree.crash();
  assert.equal((await bytesOf(tree, to)).length, 2 * MIB);
});

test('a file is cloned whole over another', async (t) => {
  const tree = await TestVfs.make(t);
  const bytes = randomBytes(2 * MIB);
  const [from, to] = [await fileOf(tree, 'a', bytes), await fileOf(tree, 'b', randomBytes(MIB))];
  const before = work(tree);
  const whole = { from: from.position, fromStart: 0, to: to.position, toStart: 0, length: 2 * MIB };
  assert.equal(await tree.parts.cloner.cloneRange(whole), 2 * MIB);
  assert.deepEqual(work(tree), before);
  assert.ok((await bytesOf(tree, to)).equals(bytes));
});

test('a file that shares a long list of extents is written, truncated and punched in small steps', async (t) => {
  const tree = await TestVfs.make(t);
  const { catalog } = tree.store.datastore;
  const from = await fileOf(tree, 'a', randomBytes(MIB));
  const [first] = [...tree.parts.tree.extents.all(from.position)];
  assert.ok(first?.kind === 'chunk');
  // Parts of its first chunk in no order that could be joined.
  const part = 4;
  const count = 3500;
  const inode = catalog.inodes.find(from.position)!;
  for (let n = 0; n < count; n += 500) {
    const extents = Array.from({ length: 500 }, (_, i) => ({ ...first, offset: (n + i) * part, length: part }));
    const { mtimeSec, mtimeNsec, ctimeSec, ctimeNsec, storage, chunker } = inode;
    const change = { start: n * part, end: (n + 500) * part, extents, size: MIB, storage, chunker };
    const times = { mtimeSec, mtimeNsec, ctimeSec, ctimeNsec };
    tree.parts.log.make({ kind: 'content', ino: from.position, ...change, ...times });
  }
  const model = await bytesOf(tree, from);
  let steps = 0;
  const { prepare } = catalog.listCopies;
  catalog.listCopies.prepare = (...args) => {
    steps += 1;
    return prepare.apply(catalog.listCopies, args);
  };
  const cut = 3000 * part;
  const changes: ((handle: number, bytes: Buffer) => Promise<Buffer>)[] = [
    async (handle, bytes) => {
      await tree.write(handle, 10, 'written');
      return Buffer.concat([bytes.subarray(0, 10), Buffer.from('written'), bytes.subarray(17)]);
    },
    async (handle, bytes) => {
      await tree.vfs.files.allocate(CALLER, handle, 0, 8, 3);
      return Buffer.concat([Buffer.alloc(8), bytes.subarray(8)]);
    },
  ];
  for (const [at, change] of changes.entries()) {
    const to = await tree.file(`to-${at}`);
    await copy(tree, from, to);
    steps = 0;
    const handle = await tree.open(to);
    const changed = await change(handle, model);
    assert.ok(steps >= count / 1000, `${steps} steps`);
    await tree.close(handle);
    assert.ok((await bytesOf(tree, to)).equals(changed));
    assert.ok((await bytesOf(tree, from)).equals(model));
  }
  const to = await tree.file('truncated');
  await copy(tree, from, to);
  steps = 0;
  await tree.set(to, { size: cut });
  assert.ok(steps >= 3, `${steps} steps`);
  assert.ok((await bytesOf(tree, to)).equals(model.subarray(0, cut)));
  assert.ok((await bytesOf(tree, from)).equals(model));
});
