import type { TestContext } from 'node:test';
import type { AttributeChanges, Attributes, NodeId, OpenResult, Vfs } from '../../src/vfs/api.js';
import { countReferences } from '../../src/vfs/count-references.js';
import { KernelReferences } from '../../src/vfs/live/kernel-references.js';
import { liveNode } from '../../src/vfs/live/live-nodes.js';
import type { LiveParts } from '../../src/vfs/live/live-parts.js';
import { OpenFiles } from '../../src/vfs/live/open-files.js';
import { Orphans } from '../../src/vfs/live/orphans.js';
import { openVfs } from '../../src/vfs/open-vfs.js';
import { makeGroup } from './catalog.js';
import { bodyOf, bytesOfPiece, type LiveStoreOptions, TestLiveStore } from './live-store.js';

export const CALLER = { uid: 1000, gid: 2000, pid: 1 };
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;

/** A live tree through the vfs, without a mount; only group folders and snapshots are missing. */
export class TestVfs {
  readonly store: TestLiveStore;
  readonly current: NodeId;
  references!: KernelReferences;
  parts!: LiveParts;
  vfs!: Vfs;
  /** Inodes of which the kernel would be told. */
  readonly changedUnasked: number[] = [];

  private constructor(store: TestLiveStore) {
    this.store = store;
    this.current = liveNode(store.current);
    this.#assemble();
  }

  static async make(t: TestContext, options: LiveStoreOptions = {}): Promise<TestVfs> {
    return new TestVfs(await TestLiveStore.make(t, options));
  }

  /** As after the daemon's death and a new mount. */
  async crash(): Promise<void> {
    await this.store.crash();
    this.#assemble();
  }

  #assemble(): void {
    const { datastore, live, clock } = this.store;
    const { catalog } = datastore;
    const openFiles = new OpenFiles();
    this.references = new KernelReferences();
    this.parts = {
      tree: catalog,
      log: live.parts.log,
      contents: live.contents,
      reader: live.reader,
      cloner: live.cloner,
      openFiles,
      orphans: new Orphans(live.parts.log, openFiles, this.references, catalog.orphans.list(0, 1000)),
      durability: live.durability,
      clock,
      isInGroup: (caller, gid) => caller.gid === gid,
      changedUnasked: (ino) => void this.changedUnasked.push(ino),
    };
    const vfs = openVfs({
      live: this.parts,
      groups: {} as never,
      snapshots: {} as never,
      space: {} as never,
      figures: () => NO_FIGURES,
    });
    this.vfs = countReferences(vfs, this.references);
  }

  async create(name: string, { mode = 0o644, flags = O_RDWR, parent = this.current, umask = 0 } = {}): Promise<Made> {
    const { attributes, open } = await this.vfs.names.create(CALLER, parent, b(name), mode, umask, flags);
    return { node: attributes.node, attributes, open, handle: open.handle };
  }

  /** Makes a closed file that holds `text`. */
  async file(name: string, text = '', parent = this.current): Promise<NodeId> {
    const { node, handle } = await this.create(name, { parent });
    if (text !== '') await this.write(handle, 0, text);
    await this.close(handle);
    return node;
  }

  async folder(name: string, parent = this.current, mode = 0o755): Promise<NodeId> {
    return (await this.vfs.names.makeFolder(CALLER, parent, b(name), mode, 0)).node;
  }

  async open(node: NodeId, flags = O_RDWR): Promise<number> {
    return (await this.vfs.files.open(CALLER, node, flags)).handle;
  }

  async write(handle: number, offset: number, text: string | Buffer): Promise<void> {
    await this.vfs.files.write(CALLER, handle, offset, bodyOf(Buffer.from(text)), false);
  }

  /** close(2), as the kernel asks for it. */
  async close(handle: number): Promise<void> {
    await this.vfs.files.flush(handle);
    await this.vfs.files.release(handle);
  }

  async lookup(name: string, parent = this.current): Promise<Attributes | undefined> {
    return this.vfs.names.lookup(parent, b(name));
  }

  async read(handle: number, offset = 0, length = 1 << 20): Promise<Buffer> {
    const pieces = await this.vfs.files.read(handle, offset, length);
    return Buffer.concat(await Promise.all(pieces.map(bytesOfPiece)));
  }

  async stat(node: NodeId): Promise<Attributes> {
    return this.vfs.attributes.get(node);
  }

  async set(node: NodeId, changes: AttributeChanges): Promise<Attributes> {
    return this.vfs.attributes.set(CALLER, node, undefined, changes);
  }
}

export interface Made {
  readonly node: NodeId;
  readonly attributes: Attributes;
  readonly open: OpenResult;
  readonly handle: number;
}

const NO_FIGURES = { totalBytes: 0, freeBytes: 0, availableBytes: 0, files: 0, freeFiles: 0 };

export function b(text: string): Buffer {
  return Buffer.from(text);
}

/** `current/` of another group, made anew. */
export function otherGroup(tree: TestVfs, id: string): NodeId {
  return liveNode(makeGroup(tree.store.datastore.catalog, id));
}

/** What a file holds, through a handle of its own. */
export async function textOf(tree: TestVfs, node: NodeId): Promise<string> {
  const handle = await tree.open(node, O_RDONLY);
  const bytes = await tree.read(handle);
  await tree.vfs.files.release(handle);
  return bytes.toString();
}

/** rename(2); both folders are `current/` where nothing else is said. */
export async function rename(
  tree: TestVfs,
  name: string,
  to: string,
  { flags = 0, from = tree.current, into = tree.current } = {},
): Promise<void> {
  await tree.vfs.names.rename(CALLER, from, b(name), into, b(to), flags);
}

/** The names in a folder but `.` and `..`, read a few at a time. */
export async function namesIn(tree: TestVfs, node: NodeId = tree.current): Promise<string[]> {
  const { folders } = tree.vfs;
  const handle = await folders.open(node);
  const names: string[] = [];
  for (let cookie = 0; ; ) {
    const entries = await folders.read(handle, cookie, 3);
    const last = entries.at(-1);
    if (last === undefined) break;
    names.push(...entries.map(({ name }) => Buffer.from(name).toString()));
    cookie = last.cookie;
  }
  folders.release(handle);
  return names.filter((name) => name !== '.' && name !== '..').sort();
}

/** Whether the catalog has the inode. */
export function exists(tree: TestVfs, node: NodeId): boolean {
  return tree.store.datastore.catalog.inodes.find(node.position) !== undefined;
}
