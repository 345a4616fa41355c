import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseGroupPath } from '../../src/core/group.js';
import { parseSnapshotTime } from '../../src/core/snapshot-time.js';
import { openSnapshotView } from '../../src/daemon/open-snapshot-view.js';
import { openDatastoreReader } from '../../src/datastore/open.js';
import { diffTrees } from '../../src/snapshot/diff/diff-trees.js';
import { type SnapshotNode, snapshotShortcut, snapshotSide, type TreeSide } from '../../src/snapshot/diff/tree-side.js';
import { requireSnapshot } from '../../src/snapshot/find-snapshot.js';
import { noise } from '../support/noise.js';
import { GROUP, OpenStore } from '../support/open-store.js';
import { Random, seedOfRun } from '../support/random.js';
import { ROOT } from '../support/store-tree.js';

const CURRENT = `${GROUP}/current`;
const FOLDERS = 20;
const FILES = 20;
/** One file in each folder has chunks of its own: with other content of the same size nothing else moves. */
const LARGE_FILE = 1;
const LARGE_BYTES = 200_000;
/** Each entry's xattrs take so much of the metadata, and as much of the records beside it, that both are many chunks. */
const XATTR_BYTES = 3000;

/** A live tree that changes at random, and differences of its snapshots in two ways. */
class Trees {
  readonly #store: OpenStore;
  readonly #random: Random;
  #made = 0;

  constructor(store: OpenStore, random: Random) {
    this.#store = store;
    this.#random = random;
  }

  async fill(): Promise<void> {
    for (let folder = 0; folder < FOLDERS; folder++) {
      await this.#store.mkdir(`${CURRENT}/${folder}`);
      await this.#store.mkdir(`${CURRENT}/${folder}/sub`);
      for (let file = 0; file < FILES; file++) {
        await this.#make(`${folder}/${file % 2 === 0 ? 'sub/' : ''}file-${file}`);
      }
    }
    for (let n = 0; n < FOLDERS; n++) await this.#link(this.#anyFile(), `${this.#anyFolder()}/link-${this.#made++}`);
  }

  /** One change of any kind; one that finds nothing to change changes nothing. */
  async change(): Promise<void> {
    const file = this.#anyFile();
    const there = await this.#find(file);
    if (there === undefined) return this.#make(file);
    const set = (name: string) =>
      this.#store.vfs.xattrs.set(ROOT, there.node, Buffer.from(name), noise(`${this.#made++}`, 50), 0, false);
    const changes: (() => unknown)[] = [
      () => this.#store.write(`${CURRENT}/${file}`, noise(`${this.#made++}`, 300), 0),
      () => this.rewrite(file),
      () => this.#store.vfs.attributes.set(ROOT, there.node, undefined, { mode: there.mode ^ 0o4 }),
      () => set('user.other'),
      () => set('trusted.other'),
      () => this.#link(file, `${this.#anyFolder()}/link-${this.#made++}`),
      () => this.#make(`${this.#anyFolder()}/new-${this.#made++}`),
      () => this.#unlink(file),
    ];
    await this.#random.pick(changes)();
  }

  /** Other content of the same size, with the time the file had. */
  async rewrite(file: string): Promise<void> {
    const { node, size, mtimeSec: sec, mtimeNsec: nsec } = await this.#store.find(`${CURRENT}/${file}`);
    await this.#store.write(`${CURRENT}/${file}`, noise(`${this.#made++}`, size));
    await this.#store.vfs.attributes.set(ROOT, node, undefined, { mtime: { sec, nsec } });
  }

  async #make(path: string): Promise<void> {
    const node = await this.#store.write(
      `${CURRENT}/${path}`,
      noise(path, path.endsWith(`/file-${LARGE_FILE}`) ? LARGE_BYTES : 100),
    );
    for (const name of ['user.large', 'trusted.large']) {
      await this.#store.vfs.xattrs.set(ROOT, node, Buffer.from(name), noise(`${path}${name}`, XATTR_BYTES), 0, false);
    }
  }

  async #find(path: string) {
    const [parent, name] = await this.#store.at(`${CURRENT}/${path}`);
    return this.#store.vfs.names.lookup(parent, name);
  }

  async #link(from: string, to: string): Promise<void> {
    const there = await this.#find(from);
    const [parent, name] = await this.#store.at(`${CURRENT}/${to}`);
    if (there !== undefined) await this.#store.vfs.names.link(there.node, parent, name);
  }

  async #unlink(path: string): Promise<void> {
    const [parent, name] = await this.#store.at(`${CURRENT}/${path}`);
    await this.#store.vfs.names.unlink(parent, name);
  }

  #anyFolder(): string {
    return `${this.#random.below(FOLDERS)}${this.#random.pick(['', '/sub'])}`;
  }

  #anyFile(): string {
    const file = this.#random.below(4) === 0 ? LARGE_FILE : this.#random.below(FILES);
    return `${this.#random.below(FOLDERS)}/${file % 2 === 0 ? 'sub/' : ''}file-${file}`;
  }
}

/** What differs, a line each, and how many folders were looked into for that. */
async function differences(store: OpenStore, before: string, now: string, quick: boolean) {
  const datastore = await openDatastoreReader(store.folder);
  try {
    const open = (time: string) => {
      const tree = { group: parseGroupPath(GROUP), which: parseSnapshotTime(time) } as const;
      return openSnapshotView(datastore, requireSnapshot(datastore.catalog, tree));
    };
    const [a, b] = [await open(before), await open(now)];
    let folders = 0;
    const counted = (side: TreeSide<SnapshotNode>): TreeSide<SnapshotNode> => ({
      ...side,
      children: (folder) => {
        folders += 1;
        return side.children(folder);
      },
    });
    const lines: string[] = [];
    const shortcut = quick ? snapshotShortcut(a, b) : undefined;
    for await (const found of diffTrees(counted(snapshotSide(a)), counted(snapshotSide(b)), shortcut)) {
      lines.push(`${found.change} ${Buffer.from(found.path)} ${found.kind} ${found.size} ${found.parts.join()}`);
    }
    return { lines: lines.sort(), folders };
  } finally {
    datastore.close();
  }
}

test('what is passed over has no difference: the same is found as by looking everywhere, in fewer folders', async (t) => {
  const store = await OpenStore.make(t);
  const random = new Random(seedOfRun(t));
  const trees = new Trees(store, random);
  await trees.fill();
  let before = await store.snapshot();
  let [all, quick] = [0, 0];
  for (let round = 0; round < 8; round++) {
    for (let n = random.below(5); n > 0; n--) await trees.change();
    const now = await store.snapshot();
    const full = await differences(store, before, now, false);
    const found = await differences(store, before, now, true);
    assert.deepEqual(found.lines, full.lines);
    [all, quick] = [all + full.folders, quick + found.folders];
    before = now;
  }
  t.diagnostic(`${quick} folders were looked into, of ${all}`);
  assert.ok(quick < all, `${quick} folders, ${all} without passing any over`);
});

test('a hard link in a folder that is passed over is told when its file has changed elsewhere', async (t) => {
  const store = await OpenStore.make(t);
  const trees = new Trees(store, new Random(1));
  await trees.fill();
  const { node } = await store.find(`${CURRENT}/0/file-1`);
  const [parent, name] = await store.at(`${CURRENT}/${FOLDERS - 3}/far`);
  await store.vfs.names.link(node, parent, name);
  const before = await store.snapshot();
  await store.vfs.attributes.set(ROOT, node, undefined, { mode: 0o100700 });
  const now = await store.snapshot();
  const { lines } = await differences(store, before, now, true);
  assert.deepEqual(lines, (await differences(store, before, now, false)).lines);
  assert.ok(
    lines.some((line) => line.startsWith(`changed ${FOLDERS - 3}/far `)),
    lines.join('\n'),
  );
});

test('content of the same size and time is told to have changed, though the metadata is the same', async (t) => {
  const store = await OpenStore.make(t);
  const trees = new Trees(store, new Random(2));
  await trees.fill();
  const before = await store.snapshot();
  await trees.rewrite(`3/file-${LARGE_FILE}`);
  const now = await store.snapshot();
  const { lines } = await differences(store, before, now, true);
  assert.deepEqual(lines, [`changed 3/file-${LARGE_FILE} file ${LARGE_BYTES} content`]);
});
