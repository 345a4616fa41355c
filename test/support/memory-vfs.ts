import type { ReadPiece, WriteBody } from '../../src/content/transfer.js';
import { CairnError } from '../../src/core/errors.js';
import { systemClock } from '../../src/core/time.js';
import type {
  AttributeChanges,
  AttributeOperations,
  Attributes,
  Awaitable,
  Caller,
  FileOperations,
  FileSystemFigures,
  FolderEntry,
  FolderOperations,
  HandleId,
  NodeId,
  OpenResult,
  RangeCopy,
  Vfs,
  XattrOperations,
} from '../../src/vfs/api.js';
import { MemoryNames } from './memory-names.js';
import { keyOf, type MemoryNode, MemoryTree } from './memory-tree.js';

const O_ACCMODE = 3;
const O_WRONLY = 1;
const SEEK_DATA = 3;
const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;
const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;

/** Content that does not come from writes: a file of this name is made of these pieces. */
export interface SpecialFile {
  readonly name: string;
  readonly size: number;
  /** Pieces of [offset, offset + length), which lies within the file. */
  pieces(offset: number, length: number): Awaitable<readonly ReadPiece[]>;
}

class Attributing implements AttributeOperations {
  constructor(readonly tree: MemoryTree) {}

  get(id: NodeId): Attributes {
    return this.tree.get(id).attributes();
  }

  set(_caller: Caller, id: NodeId, _handle: HandleId | undefined, changes: AttributeChanges): Attributes {
    const node = this.tree.get(id);
    if (changes.killPrivileges) node.killPrivileges();
    if (changes.mode !== undefined) node.mode = node.type | (changes.mode & 0o7777);
    if (changes.uid !== undefined) node.uid = changes.uid;
    if (changes.gid !== undefined) node.gid = changes.gid;
    if (changes.size !== undefined) resize(node, changes.size);
    node.changed();
    node.atime = timeOf(changes.atime) ?? node.atime;
    node.mtime = timeOf(changes.mtime) ?? node.mtime;
    return node.attributes();
  }

  readLink(id: NodeId): Uint8Array {
    return this.tree.get(id).target;
  }
}

function timeOf(change: AttributeChanges['mtime']) {
  if (change === undefined) return undefined;
  return change === 'now' ? systemClock.now() : { seconds: change.sec, nanoseconds: change.nsec };
}

function resize(node: MemoryNode, size: number): void {
  if (size < node.size) node.draft.truncate(size);
  node.size = size;
  node.modified();
}

interface OpenFile {
  readonly node: MemoryNode;
  readonly writesOnly: boolean;
}

class Filing implements FileOperations {
  readonly handles = new Map<HandleId, OpenFile>();
  readonly specials = new Map<MemoryNode, SpecialFile>();
  #next = 1;

  constructor(readonly tree: MemoryTree) {}

  open(_caller: Caller, id: NodeId, flags: number): OpenResult {
    return this.openNode(this.tree.get(id), flags);
  }

  openNode(node: MemoryNode, flags: number): OpenResult {
    const writesOnly = (flags & O_ACCMODE) === O_WRONLY;
    const directIo = (writesOnly && node.handles === 0) || node.writersOnly > 0;
    node.handles++;
    if (writesOnly) node.writersOnly++;
    const handle = this.#next++;
    this.handles.set(handle, { node, writesOnly });
    return { handle, directIo, keepCache: true, noFlush: (flags & O_ACCMODE) === 0 };
  }

  read(handle: HandleId, offset: number, length: number): Awaitable<readonly ReadPiece[]> {
    const { node } = this.#file(handle);
    const end = Math.min(offset + length, node.size);
    if (end <= offset) return [];
    const special = this.specials.get(node);
    if (special !== undefined) return special.pieces(offset, end - offset);
    const pieces: ReadPiece[] = [];
    let at = offset;
    for (const range of node.draft.covered(offset, end)) {
      if (range.start > at) pieces.push({ kind: 'zeros', length: range.start - at });
      pieces.push({ kind: 'draft', length: range.end - range.start, draft: node.draft, at: range.start });
      at = range.end;
    }
    if (end > at) pieces.push({ kind: 'zeros', length: end - at });
    return pieces;
  }

  write(_caller: Caller, handle: HandleId, offset: number, body: WriteBody, killPrivileges: boolean): void {
    const { node } = this.#file(handle);
    body.copyInto(node.draft, offset);
    node.size = Math.max(node.size, offset + body.length);
    if (killPrivileges) node.killPrivileges();
    node.modified();
  }

  flush(handle: HandleId): void {
    this.#file(handle);
  }

  sync(handle: HandleId): void {
    this.#file(handle);
  }

  release(handle: HandleId): void {
    const { node, writesOnly } = this.#file(handle);
    this.handles.delete(handle);
    node.handles--;
    if (writesOnly) node.writersOnly--;
    this.tree.settle(node);
  }

  allocate(_caller: Caller, handle: HandleId, offset: number, length: number, mode: number): void {
    const { node } = this.#file(handle);
    if (mode & ~(KEEP_SIZE | PUNCH_HOLE)) throw new CairnError('unsupported', 'This mode is not supported');
    if (mode & PUNCH_HOLE) node.draft.drop(offset, offset + length);
    else if (!(mode & KEEP_SIZE)) node.size = Math.max(node.size, offset + length);
    node.modified();
  }

  seek(handle: HandleId, offset: number, whence: number): number {
    const { node } = this.#file(handle);
    if (offset >= node.size) throw new CairnError('no-data-here', 'Behind the end');
    const ranges = node.draft.covered(offset, node.size);
    if (whence === SEEK_DATA) {
      if (ranges[0] === undefined) throw new CairnError('no-data-here', 'No data follows');
      return ranges[0].start;
    }
    let hole = offset;
    for (const range of ranges) {
      if (range.start > hole) break;
      hole = range.end;
    }
    return hole;
  }

  copyRange(_caller: Caller, { from, fromOffset, to, toOffset, length }: RangeCopy): number {
    const [source, target] = [this.#file(from).node, this.#file(to).node];
    const count = Math.max(0, Math.min(length, source.size - fromOffset));
    target.draft.drop(toOffset, toOffset + count);
    for (const range of source.draft.covered(fromOffset, fromOffset + count)) {
      const bytes = source.draft.read(range.start, range.end - range.start);
      target.draft.write(toOffset + range.start - fromOffset, bytes);
    }
    target.size = Math.max(target.size, toOffset + count);
    target.modified();
    return count;
  }

  #file(handle: HandleId): OpenFile {
    const file = this.handles.get(handle);
    if (file === undefined) throw new CairnError('stale', `No handle ${handle}`);
    return file;
  }
}

interface ListedName {
  readonly cookie: number;
  readonly key: string;
  readonly node: MemoryNode;
}

interface OpenFolder {
  readonly node: MemoryNode;
  /** The names as they were when the listing began; a handle may also go on where another one was. */
  names: readonly ListedName[] | undefined;
}

class Listing implements FolderOperations {
  readonly handles = new Map<HandleId, OpenFolder>();
  #next = 1;

  constructor(readonly tree: MemoryTree) {}

  open(id: NodeId): HandleId {
    const node = this.tree.folder(id);
    node.handles++;
    this.handles.set(this.#next, { node, names: undefined });
    return this.#next++;
  }

  read(handle: HandleId, cookie: number, limit: number): FolderEntry[] {
    const open = this.handles.get(handle);
    if (open === undefined) throw new CairnError('stale', `No handle ${handle}`);
    const { node } = open;
    if (cookie === 0) open.names = undefined;
    open.names ??= namesOf(node);
    const entries: FolderEntry[] = [];
    for (let index = firstBehind(open.names, cookie); entries.length < limit; index++) {
      const listed = open.names[index];
      if (listed === undefined) break;
      if (listed.cookie > 2 && node.children.get(listed.key) !== listed.node) continue;
      const name = Buffer.from(listed.key, 'latin1');
      entries.push({ cookie: listed.cookie, name, attributes: listed.node.attributes() });
    }
    return entries;
  }

  reference(id: NodeId): void {
    this.tree.get(id).references++;
  }

  sync(): void {}

  release(handle: HandleId): void {
    const open = this.handles.get(handle);
    if (open === undefined) throw new CairnError('stale', `No handle ${handle}`);
    this.handles.delete(handle);
    open.node.handles--;
    this.tree.settle(open.node);
  }
}

function namesOf(folder: MemoryNode): ListedName[] {
  const names: ListedName[] = [
    { cookie: 1, key: '.', node: folder },
    { cookie: 2, key: '..', node: folder.parent ?? folder },
  ];
  for (const [key, node] of folder.children) names.push({ cookie: folder.cookies.get(key) ?? 0, key, node });
  return names;
}

function firstBehind(names: readonly ListedName[], cookie: number): number {
  let [low, high] = [0, names.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (names[middle]!.cookie > cookie) high = middle;
    else low = middle + 1;
  }
  return low;
}

class Xattrs implements XattrOperations {
  constructor(readonly tree: MemoryTree) {}

  get(id: NodeId, name: Uint8Array): Uint8Array {
    const value = this.tree.get(id).xattrs.get(keyOf(name));
    // What `ls` asks for each file, until it is told that there is no such thing here.
    if (value === undefined && keyOf(name) === 'security.selinux') throw new CairnError('unsupported', 'No SELinux');
    if (value === undefined) throw new CairnError('no-attribute', 'No such attribute');
    return value;
  }

  list(id: NodeId): Uint8Array[] {
    return [...this.tree.get(id).xattrs.keys()].map((key) => Buffer.from(key, 'latin1'));
  }

  set(_caller: Caller, id: NodeId, name: Uint8Array, value: Uint8Array, flags: number, killSetgid: boolean): void {
    const node = this.tree.get(id);
    const there = node.xattrs.has(keyOf(name));
    if (there && flags & XATTR_CREATE) throw new CairnError('exists', 'The attribute exists');
    if (!there && flags & XATTR_REPLACE) throw new CairnError('no-attribute', 'No such attribute');
    if (killSetgid) node.mode &= ~0o2000;
    node.xattrs.set(keyOf(name), Buffer.from(value));
    node.changed();
  }

  remove(_caller: Caller, id: NodeId, name: Uint8Array): void {
    const node = this.tree.get(id);
    if (!node.xattrs.delete(keyOf(name))) throw new CairnError('no-attribute', 'No such attribute');
    node.changed();
  }
}

/** A file system in memory, for tests of what delivers requests to a Vfs. */
export class MemoryVfs implements Vfs {
  readonly tree = new MemoryTree();
  readonly root = this.tree.root.id;
  readonly files = new Filing(this.tree);
  readonly names = new MemoryNames(this.tree, (node, flags) => this.files.openNode(node, flags));
  readonly attributes = new Attributing(this.tree);
  readonly folders = new Listing(this.tree);
  readonly xattrs = new Xattrs(this.tree);

  figures(): FileSystemFigures {
    return {
      totalBytes: 2 ** 40,
      freeBytes: 2 ** 39,
      availableBytes: 2 ** 38,
      files: this.tree.count,
      freeFiles: 2 ** 20,
    };
  }

  /** Puts a file in the root folder. */
  addSpecial(special: SpecialFile): void {
    const node = this.tree.add({ uid: 0, gid: 0, pid: 0 }, this.tree.root, special.name, 0o100644);
    node.references = 0;
    node.size = special.size;
    this.files.specials.set(node, special);
  }

  /** Open files and folders. */
  get openHandles(): number {
    return this.files.handles.size + this.folders.handles.size;
  }
}
