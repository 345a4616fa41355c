import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { CairnError } from '../../src/core/errors.js';
import { dropCached } from '../../src/native/chunk-cache.js';
import type { Attributes, NodeId } from '../../src/vfs/api.js';
import { ArchiveNodes } from '../../src/vfs/snapshots/archive-nodes.js';
import { noise } from '../support/noise.js';
import { GROUP, OpenStore } from '../support/open-store.js';
import { decodeIndex } from '../support/spec-decoder/indexes.js';
import { ROOT } from '../support/store-tree.js';

const MIB = 1024 * 1024;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const CURRENT = `${GROUP}/current`;
const at = (name: string): string => `${CURRENT}/${name}`;
const isKind = (kind: string) => (error: unknown) => error instanceof Error && 'kind' in error && error.kind === kind;

/** What a snapshot keeps of an inode: all but the node, atime, and holes too small to be told (`blocks`). */
function kept({ node, atimeSec, atimeNsec, blocks, ...rest }: Attributes): object {
  return rest;
}

async function xattrsOf(store: OpenStore, node: NodeId): Promise<string[]> {
  const names = await store.vfs.xattrs.list(node);
  const all = await Promise.all(
    names.map(async (name) => {
      const value = await store.vfs.xattrs.get(node, name);
      return `${Buffer.from(name).toString('latin1')}=${Buffer.from(value).toString('hex')}`;
    }),
  );
  return all.sort();
}

/** Fails unless the two folders are the same in all that a mount shows. */
async function assertSameTree(store: OpenStore, live: string, frozen: string): Promise<void> {
  assert.deepEqual(await store.names(frozen), await store.names(live), frozen);
  for (const name of ['', ...(await store.names(live))]) {
    const [a, b] = [await store.find(`${live}/${name}`), await store.find(`${frozen}/${name}`)];
    assert.deepEqual(kept(b), kept(a), `${frozen}/${name}`);
    assert.ok(b.blocks >= a.blocks && b.blocks <= Math.ceil(b.size / 512), `${frozen}/${name}: ${b.blocks} blocks`);
    assert.deepEqual(await xattrsOf(store, b.node), await xattrsOf(store, a.node), `${frozen}/${name}`);
    const type = a.mode & 0o170000;
    if (type === 0o120000) {
      const [x, y] = [await store.vfs.attributes.readLink(a.node), await store.vfs.attributes.readLink(b.node)];
      assert.equal(Buffer.compare(x, y), 0, `target of ${frozen}/${name}`);
    }
    if (type === 0o100000) {
      const [x, y] = [await store.read(`${live}/${name}`, 300_001), await store.read(`${frozen}/${name}`, 70_003)];
      assert.ok(x.equals(y), `content of ${frozen}/${name}`);
    }
    if (name !== '' && type === 0o040000) await assertSameTree(store, `${live}/${name}`, `${frozen}/${name}`);
  }
}

const name = fc
  .oneof(fc.constantFrom('a', 'b', 'c', '\xff', '-'), fc.string({ minLength: 1, maxLength: 9, unit: 'grapheme-ascii' }))
  .filter((text) => !text.includes('/') && text !== '.' && text !== '..');
const step = fc.record({
  where: fc.nat(1000),
  name,
  what: fc.constantFrom(
    'folder',
    'file',
    'file',
    'link',
    'hard',
    'pipe',
    'device',
    'append',
    'truncate',
    'attributes',
    'xattr',
    'remove',
  ),
  size: fc.oneof(fc.nat(300), fc.nat(200_000), fc.constantFrom(0, 128 * 1024, 128 * 1024 - 1, 700_000, 2 * MIB)),
  seed: fc.nat(5),
});
type Step = (typeof step)['generate'] extends (...args: never[]) => { value: infer V } ? V : never;

/** Does one thing to the tree; what the tree refuses is left. */
async function act(store: OpenStore, folders: string[], files: string[], step: Step): Promise<void> {
  const folder = folders[step.where % folders.length] as string;
  const file = files[step.where % Math.max(1, files.length)];
  const path = `${folder}/${step.name}`;
  const [parent, last] = await store.at(path);
  const { names, attributes, xattrs } = store.vfs;
  if (step.what === 'folder') {
    await store.mkdir(path, 0o700 + step.seed);
    folders.push(path);
  } else if (step.what === 'file') {
    await store.write(path, noise(String(step.seed), step.size));
    files.push(path);
  } else if (step.what === 'link') await names.symlink(ROOT, parent, last, Buffer.from(`target${step.size}`));
  else if (step.what === 'pipe') await names.makeNode(ROOT, parent, last, 0o010640, 0, 0);
  else if (step.what === 'device') await names.makeNode(ROOT, parent, last, 0o020640, 0, step.size);
  else if (file === undefined) return;
  else if (step.what === 'hard') {
    await names.link((await store.find(file)).node, parent, last);
    files.push(path);
  } else if (step.what === 'append') await store.write(file, noise(String(step.seed), 5000), step.size + 1);
  else if (step.what === 'truncate')
    await attributes.set(ROOT, (await store.find(file)).node, undefined, { size: step.size });
  else if (step.what === 'xattr') {
    await xattrs.set(
      ROOT,
      (await store.find(file)).node,
      Buffer.from(`user.${step.seed}`),
      noise('x', step.size % 3000),
      0,
      false,
    );
  } else if (step.what === 'attributes') {
    const mtime = { sec: step.size * 10_000 - 5_000_000, nsec: step.size };
    await attributes.set(ROOT, (await store.find(file)).node, undefined, {
      uid: step.seed,
      mode: step.size & 0o7777,
      mtime,
    });
  } else await names.unlink(...(await store.at(file)));
}

test('any tree reads from its snapshot as it was, attribute for attribute and byte for byte', async (t) => {
  const store = await OpenStore.make(t);
  let groups = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      groups += 1;
      const group = `host/g${groups}`;
      await store.mkdir(group);
      const [folders, files] = [[`${group}/current`], [] as string[]];
      const half = Math.floor(steps.length / 2);
      let frozen = '';
      for (const part of [steps.slice(0, half), steps.slice(half)]) {
        for (const one of part)
          await act(store, folders, files, one).catch((error) => assert.ok('kind' in error, error));
        frozen = `${group}/${await store.snapshot(group)}`;
        await assertSameTree(store, `${group}/current`, frozen);
      }
      await store.reopen();
      await assertSameTree(store, `${group}/current`, frozen);
    }),
    { numRuns: 12, endOnFailure: true },
  );
});

test('holes: seek, blocks and reads of a sparse file without loading zeros', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(at('sparse'), noise('a', 200_000));
  await store.write(at('sparse'), noise('b', 200_000), 40 * MIB);
  const time = await store.snapshot();
  const { node, size, blocks } = await store.find(`${GROUP}/${time}/sparse`);
  const live = await store.find(at('sparse'));
  assert.deepEqual([size, blocks], [live.size, live.blocks]);
  const { handle } = await store.vfs.files.open(ROOT, node, 0);
  const seek = async (offset: number, whence: number) => store.vfs.files.seek(handle, offset, whence);
  assert.equal(await seek(0, SEEK_HOLE), 200_000);
  assert.equal(await seek(200_000, SEEK_DATA), 40 * MIB);
  assert.equal(await seek(40 * MIB, SEEK_HOLE), size);
  await assert.rejects(async () => seek(size, SEEK_DATA), isKind('no-data-here'));
  await assert.rejects(async () => seek(0, 9), isKind('invalid'));
  const before = store.datastore.chunks.counters.loads;
  const pieces = await store.vfs.files.read(handle, 10 * MIB, MIB);
  assert.deepEqual([...new Set(pieces.map(({ kind }) => kind))], ['zeros']);
  await store.vfs.files.release(handle);
  // Only what follows a read may have been loaded ahead of it, never a chunk of zeros.
  assert.equal(store.datastore.chunks.counters.loads, before);
});

test('hard links are one node, and `..`, `latest` and `owner` are what they say', async (t) => {
  const store = await OpenStore.make(t);
  await store.mkdir(at('sub'));
  await store.mkdir(at('sub/inner'));
  const file = await store.write(at('sub/file'), 'content');
  const [parent] = await store.at(at('x'));
  await store.vfs.names.link(file, parent, Buffer.from('a-name'));
  await store.vfs.names.symlink(ROOT, parent, Buffer.from('link'), Buffer.from('t'));
  await store.vfs.names.link((await store.find(at('link'))).node, parent, Buffer.from('link-2'));
  const time = await store.snapshot();
  const snapshot = `${GROUP}/${time}`;
  const node = async (path: string) => (await store.find(path)).node;
  assert.deepEqual(await node(`${snapshot}/sub/file`), await node(`${snapshot}/a-name`));
  assert.deepEqual(await node(`${snapshot}/link`), await node(`${snapshot}/link-2`));
  assert.equal((await store.find(`${snapshot}/sub/file`)).nlink, 2);
  const above = async (path: string) =>
    (await store.list(path)).find((entry) => Buffer.from(entry.name).toString() === '..')?.attributes.node;
  assert.deepEqual(await above(snapshot), await node(GROUP));
  assert.deepEqual(await above(`${snapshot}/sub`), await node(snapshot));
  assert.deepEqual(await above(`${snapshot}/sub/inner`), await node(`${snapshot}/sub`));
  const listed = (await store.list(`${snapshot}/sub`)).find((entry) => Buffer.from(entry.name).toString() === 'file');
  assert.deepEqual(listed?.attributes.node, await node(`${snapshot}/a-name`));
  assert.equal(Buffer.from(await store.vfs.attributes.readLink(await node(`${GROUP}/latest`))).toString(), time);
  assert.equal((await store.read(`${GROUP}/owner`)).toString(), 'root@pam\n');
  assert.equal(readFileSync(join(store.folder, GROUP, 'owner'), 'utf8'), 'root@pam\n');
});

test('latest follows the newest and goes with the last; forgotten nodes and open handles are stale', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(at('file'), noise('f', 300_000));
  const [first, second] = [await store.snapshot(), await store.snapshot()];
  const latest = async () =>
    Buffer.from(await store.vfs.attributes.readLink((await store.find(`${GROUP}/latest`)).node)).toString();
  assert.equal(await latest(), second);
  const { node } = await store.find(`${GROUP}/${second}/file`);
  const { handle } = await store.vfs.files.open(ROOT, node, 0);
  await store.rmdir(`${GROUP}/${second}`);
  assert.equal(await latest(), first);
  for (const use of [
    async () => store.vfs.attributes.get(node),
    async () => store.vfs.files.read(handle, 0, 10),
    async () => store.vfs.xattrs.list(node),
  ]) {
    await assert.rejects(use, isKind('stale'));
  }
  await store.rmdir(`${GROUP}/${first}`);
  await assert.rejects(latest(), /no latest/);
  assert.deepEqual(await store.names(GROUP), ['current', 'owner']);
});

test('a snapshot forgotten while it is being opened stays stale', async (t) => {
  const store = await OpenStore.make(t);
  const time = await store.snapshot();
  const { node } = await store.find(`${GROUP}/${time}`);
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const nodes = new ArchiveNodes(store.datastore.chunks, async (archive) => {
    const indexes = await store.snapshots.indexesOf(archive);
    await opened;
    return indexes;
  });
  const asked = assert.rejects(async () => nodes.get(node), isKind('stale'));
  nodes.forget(node.archive);
  open();
  await asked;
});

test('a listing of 20,000 names goes on from any cookie, without a load or a copy per name', async (t) => {
  const store = await OpenStore.make(t);
  const [parent] = await store.at(at('x'));
  for (let i = 0; i < 20_000; i++) await store.vfs.names.makeNode(ROOT, parent, Buffer.from(`n${i}`), 0o100644, 0, 0);
  const time = await store.snapshot();
  const all = await store.list(`${GROUP}/${time}`, 500);
  assert.equal(all.length, 20_002);
  assert.equal(new Set(all.map((entry) => entry.cookie)).size, 20_002);
  const loads = store.datastore.chunks.counters.loads;
  const { node } = await store.find(`${GROUP}/${time}`);
  const handle = await store.vfs.folders.open(node);
  for (const position of [0, 1, 2, 3, 7777, 20_000, 20_001]) {
    const next = await store.vfs.folders.read(handle, all[position]?.cookie ?? 0, 3);
    assert.deepEqual(
      next.map((entry) => entry.name),
      all.slice(position + 1, position + 4).map((entry) => entry.name),
    );
  }
  store.vfs.folders.release(handle);
  assert.equal(store.datastore.chunks.counters.loads, loads);
});

test('a missing or damaged chunk is an error that names it, and the mount goes on', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(at('large'), noise('large', 3 * MIB));
  await store.write(at('fine'), 'fine');
  const time = await store.snapshot();
  const folder = join(store.folder, GROUP, time);
  const chunk = decodeIndex(readFileSync(join(folder, 'root.ppxar.didx'))).chunks.find(
    ({ start, end }) => end - start > 200_000,
  );
  assert.ok(chunk !== undefined);
  const path = join(store.folder, '.chunks', chunk.digest.slice(0, 2), chunk.digest);
  renameSync(path, `${path}.away`);
  dropCached(Buffer.from(chunk.digest, 'hex'));
  const digest = new RegExp(chunk.digest);
  await assert.rejects(store.read(`${GROUP}/${time}/large`), digest);
  writeFileSync(path, Buffer.from('damaged, to be sure'));
  await assert.rejects(store.read(`${GROUP}/${time}/large`), digest);
  renameSync(`${path}.away`, path);
  assert.ok((await store.read(`${GROUP}/${time}/large`)).equals(noise('large', 3 * MIB)));
  const metadata = decodeIndex(readFileSync(join(folder, 'root.mpxar.didx'))).chunks[0]?.digest ?? '';
  await store.reopen();
  renameSync(join(store.folder, '.chunks', metadata.slice(0, 2), metadata), `${path}.away`);
  await assert.rejects(store.find(`${GROUP}/${time}`), new RegExp(metadata));
  assert.deepEqual(await store.names(GROUP), [time, 'current', 'latest', 'owner']);
  // The next snapshot of the same tree needs that chunk, finds it gone and writes it again.
  await store.snapshot();
  assert.equal((await store.read(`${GROUP}/${time}/fine`)).toString(), 'fine');
});

test('hostile metadata gives errors of a known kind, and ends', async (t) => {
  const store = await OpenStore.make(t);
  await store.mkdir(at('sub'));
  for (const path of ['a', 'b', 'sub/c', 'sub/d']) await store.write(at(path), noise(path, 3000));
  await store.write(at('hole'), 'x', MIB);
  const [parent] = await store.at(at('sub/x'));
  await store.vfs.names.link((await store.find(at('a'))).node, parent, Buffer.from('linked'));
  await store.vfs.xattrs.set(ROOT, (await store.find(at('b'))).node, Buffer.from('user.x'), noise('x', 20), 0, false);
  const time = await store.snapshot();
  const { archive } = (await store.find(`${GROUP}/${time}`)).node;
  const indexes = await store.snapshots.indexesOf(archive);
  const { chunks } = store.datastore;
  const damage = fc.array(fc.tuple(fc.nat(4000), fc.nat(255)), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(damage, async (bytes) => {
      const read = async (digest: Uint8Array): Promise<Buffer> => {
        const plain = Buffer.from(await chunks.read(digest));
        for (const [offset, value] of bytes) plain[offset % plain.length] = value;
        return plain;
      };
      const load = (digest: Uint8Array, length?: number) => chunks.load(digest, length);
      const nodes = new ArchiveNodes({ read, load, readAheadBytes: 0 }, async () => indexes);
      const tried = async <T>(work: () => Promise<T> | T): Promise<T | undefined> => {
        try {
          return await work();
        } catch (error) {
          assert.ok(error instanceof CairnError, String(error));
          return undefined;
        }
      };
      const root = await tried(() => nodes.root(archive));
      const queue = root === undefined ? [] : [root];
      for (let seen = 0; seen < 60 && queue.length > 0; seen++) {
        const { node, size } = queue.pop() as Attributes;
        const listed = await tried(() => nodes.list(node, 0, 100, () => root as Attributes));
        for (const entry of listed ?? []) {
          if (entry.cookie > 2) queue.push(entry.attributes);
          await tried(() => nodes.lookup(node, entry.name));
        }
        await tried(() => nodes.get(node));
        await tried(() => nodes.readLink(node));
        await tried(() => nodes.xattrNames(node));
        await tried(() => nodes.read(node, 0, Math.min(size, MIB)));
        await tried(() => nodes.seek(node, 0, SEEK_HOLE));
      }
    }),
    { numRuns: 150 },
  );
});
