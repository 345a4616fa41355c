import { CairnError } from '../../src/core/errors.js';
import { systemClock } from '../../src/core/time.js';
import { Draft } from '../../src/native/draft.js';
import type { Attributes, Caller, NodeId } from '../../src/vfs/api.js';

export const S_IFMT = 0o170000;
export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;
const S_ISGID = 0o2000;

/** An inode of a MemoryVfs. What is not of its type stays empty. */
export class MemoryNode {
  nlink = 0;
  uid = 0;
  gid = 0;
  rdev = 0;
  size = 0;
  atime = systemClock.now();
  mtime = this.atime;
  ctime = this.atime;
  readonly xattrs = new Map<string, Buffer>();
  /** A folder's names as Latin-1, and the cookie behind each name, rising in the map's order. */
  readonly children = new Map<string, MemoryNode>();
  readonly cookies = new Map<string, number>();
  nextCookie = 3;
  parent: MemoryNode | undefined;
  target = Buffer.alloc(0);
  /** References the kernel holds, and open handles. */
  references = 0;
  handles = 0;
  writersOnly = 0;
  #draft: Draft | undefined;

  constructor(
    readonly id: NodeId,
    public mode: number,
  ) {}

  get type(): number {
    return this.mode & S_IFMT;
  }

  get isFolder(): boolean {
    return this.type === S_IFDIR;
  }

  /** A regular file's bytes; what is not dirty reads as zeros. */
  get draft(): Draft {
    this.#draft ??= new Draft();
    return this.#draft;
  }

  get dirtyBytes(): number {
    return this.#draft?.dirtyBytes ?? 0;
  }

  dispose(): void {
    this.#draft?.dispose();
  }

  attributes(): Attributes {
    return {
      node: this.id,
      mode: this.mode,
      nlink: this.nlink,
      uid: this.uid,
      gid: this.gid,
      rdev: this.rdev,
      size: this.size,
      blocks: Math.ceil(this.dirtyBytes / 512),
      atimeSec: this.atime.seconds,
      atimeNsec: this.atime.nanoseconds,
      mtimeSec: this.mtime.seconds,
      mtimeNsec: this.mtime.nanoseconds,
      ctimeSec: this.ctime.seconds,
      ctimeNsec: this.ctime.nanoseconds,
    };
  }

  changed(): void {
    this.ctime = systemClock.now();
  }

  modified(): void {
    this.changed();
    this.mtime = this.ctime;
  }

  killPrivileges(): void {
    if (this.isFolder) return;
    this.mode &= this.mode & 0o010 ? ~0o6000 : ~0o4000;
  }
}

/** All inodes of a MemoryVfs. */
export class MemoryTree {
  readonly root: MemoryNode;
  readonly #nodes = new Map<number, MemoryNode>();
  #next = 1;

  constructor() {
    this.root = this.make(S_IFDIR | 0o755);
    this.root.nlink = 2;
    this.root.parent = this.root;
    this.root.references = 1;
  }

  /** Inodes that exist: named, open or known to the kernel. */
  get count(): number {
    return this.#nodes.size;
  }

  /** References the kernel holds, the root's own apart. */
  get references(): number {
    let sum = -1;
    for (const node of this.#nodes.values()) sum += node.references;
    return sum;
  }

  make(mode: number): MemoryNode {
    const node = new MemoryNode({ archive: 0, position: this.#next++ }, mode);
    this.#nodes.set(node.id.position, node);
    return node;
  }

  get(id: NodeId): MemoryNode {
    const node = id.archive === 0 ? this.#nodes.get(id.position) : undefined;
    if (node === undefined) throw new CairnError('stale', `No node ${id.archive}:${id.position}`);
    return node;
  }

  folder(id: NodeId): MemoryNode {
    const node = this.get(id);
    if (!node.isFolder) throw new CairnError('not-a-directory', 'Not a folder');
    return node;
  }

  child(parent: MemoryNode, key: string): MemoryNode {
    const node = parent.children.get(key);
    if (node === undefined) throw new CairnError('not-found', 'No such name');
    return node;
  }

  /** A new node named `key` in `parent`, with one kernel reference. */
  add(caller: Caller, parent: MemoryNode, key: string, mode: number): MemoryNode {
    if (parent.children.has(key)) throw new CairnError('exists', 'The name exists');
    if (parent.nlink === 0) throw new CairnError('not-found', 'The folder was removed');
    const node = this.make(mode);
    node.uid = caller.uid;
    node.gid = parent.mode & S_ISGID ? parent.gid : caller.gid;
    if (node.isFolder) {
      if (parent.mode & S_ISGID) node.mode |= S_ISGID;
      node.nlink = 1;
    }
    this.attach(parent, key, node);
    node.references++;
    return node;
  }

  attach(parent: MemoryNode, key: string, node: MemoryNode): void {
    parent.children.set(key, node);
    parent.cookies.set(key, parent.nextCookie++);
    node.nlink++;
    if (node.isFolder) {
      node.parent = parent;
      parent.nlink++;
    }
    parent.modified();
    node.changed();
  }

  detach(parent: MemoryNode, key: string): MemoryNode {
    const node = this.child(parent, key);
    parent.children.delete(key);
    parent.cookies.delete(key);
    node.nlink--;
    if (node.isFolder) parent.nlink--;
    parent.modified();
    node.changed();
    return node;
  }

  /** Drops the inode if nothing holds it. */
  settle(node: MemoryNode): void {
    const named = node.isFolder ? node.nlink > 1 : node.nlink > 0;
    if (named || node.references > 0 || node.handles > 0) return;
    this.#nodes.delete(node.id.position);
    node.dispose();
  }

  /** What the kernel gives up by unmounting, without a word. */
  unmounted(): void {
    for (const node of [...this.#nodes.values()]) {
      node.references = node === this.root ? 1 : 0;
      node.handles = 0;
      this.settle(node);
    }
  }
}

/** A name as key of a folder's children. */
export function keyOf(name: Uint8Array): string {
  return Buffer.from(name).toString('latin1');
}
