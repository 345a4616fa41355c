import type { ReadPiece, WriteBody } from '../content/transfer.js';

/** The answer itself where it is at hand, else a promise of it: whatever is answered at once costs no promise. */
export type Awaitable<T> = T | Promise<T>;

/**
 * A node as the kernel names it (design §6): archive 0 is the live side and `position` an inode number; any
 * other archive is a snapshot's and `position` that of the ENTRY in its metadata stream.
 */
export interface NodeId {
  readonly archive: number;
  readonly position: number;
}

/** Who asks, as the kernel says it. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  /** Fires when the caller is about to die: what waits for its sake is given up. */
  readonly interrupted?: AbortSignal;
}

/** What stat(2) shows. `blocks` counts 512 bytes each; `mode` is the full st_mode. */
export interface Attributes {
  readonly node: NodeId;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  readonly blocks: number;
  readonly atimeSec: number;
  readonly atimeNsec: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly ctimeSec: number;
  readonly ctimeNsec: number;
  /** Time of birth; absent where it is not known. */
  readonly btimeSec?: number;
  readonly btimeNsec?: number;
  /** For how long the name it was found by is sure to mean this node, below 1,000 ms; absent: until the kernel is told otherwise. */
  readonly nameValidMilliseconds?: number;
}

/** What SETATTR asks to change; what is absent stays. `'now'` is the daemon's time. */
export interface AttributeChanges {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly atime?: 'now' | { readonly sec: number; readonly nsec: number };
  readonly mtime?: 'now' | { readonly sec: number; readonly nsec: number };
  /** The kernel asks to clear setuid, and setgid where the group may execute (FUSE_SETATTR_KILL_SUIDGID). */
  readonly killPrivileges?: boolean;
}

/** An open file or folder; the number is given out by the vfs and means nothing elsewhere. */
export type HandleId = number;

/** How the kernel is to treat an open file (design §6). */
export interface OpenResult {
  readonly handle: HandleId;
  readonly directIo: boolean;
  readonly keepCache: boolean;
  readonly noFlush: boolean;
}

/** One name of a folder. `cookie` resumes the listing behind it and stays good while entries come and go. */
export interface FolderEntry {
  readonly cookie: number;
  readonly name: Uint8Array;
  readonly attributes: Attributes;
}

/**
 * Operations on names. All refuse what POSIX refuses with the kinds of core/errors; permission bits are the
 * kernel's to check (default_permissions). Names are single path components, never `.` or `..`.
 */
export interface NameOperations {
  /** The entry's attributes, or undefined where there is none. Counts one kernel reference when found. */
  lookup(parent: NodeId, name: Uint8Array): Awaitable<Attributes | undefined>;
  create(
    caller: Caller,
    parent: NodeId,
    name: Uint8Array,
    mode: number,
    umask: number,
    flags: number,
  ): Awaitable<{ attributes: Attributes; open: OpenResult }>;
  /** O_TMPFILE: an open file without a name. */
  temporary(
    caller: Caller,
    parent: NodeId,
    mode: number,
    umask: number,
    flags: number,
  ): Awaitable<{ attributes: Attributes; open: OpenResult }>;
  makeNode(
    caller: Caller,
    parent: NodeId,
    name: Uint8Array,
    mode: number,
    umask: number,
    rdev: number,
  ): Awaitable<Attributes>;
  makeFolder(caller: Caller, parent: NodeId, name: Uint8Array, mode: number, umask: number): Awaitable<Attributes>;
  symlink(caller: Caller, parent: NodeId, name: Uint8Array, target: Uint8Array): Awaitable<Attributes>;
  link(node: NodeId, newParent: NodeId, newName: Uint8Array): Awaitable<Attributes>;
  unlink(parent: NodeId, name: Uint8Array): Awaitable<void>;
  removeFolder(parent: NodeId, name: Uint8Array): Awaitable<void>;
  /** `flags` as renameat2(2): RENAME_NOREPLACE 1, RENAME_EXCHANGE 2, RENAME_WHITEOUT 4. */
  rename(
    caller: Caller,
    parent: NodeId,
    name: Uint8Array,
    newParent: NodeId,
    newName: Uint8Array,
    flags: number,
  ): Awaitable<void>;
  /** The kernel drops `count` references it got by lookup, create and the like. Never fails. */
  forget(node: NodeId, count: number): void;
}

/** Operations on an inode's attributes. `caller` is for ctime rules that depend on who asks. */
export interface AttributeOperations {
  get(node: NodeId): Awaitable<Attributes>;
  set(caller: Caller, node: NodeId, handle: HandleId | undefined, changes: AttributeChanges): Awaitable<Attributes>;
  readLink(node: NodeId): Awaitable<Uint8Array>;
}

/** What copy_file_range(2) copies; offsets and length in bytes. */
export interface RangeCopy {
  readonly from: HandleId;
  readonly fromOffset: number;
  readonly to: HandleId;
  readonly toOffset: number;
  readonly length: number;
}

/** Operations on open files. */
export interface FileOperations {
  /** Opens a file. O_TRUNC means nothing here: whoever wants it sets the size to 0 afterwards. */
  open(caller: Caller, node: NodeId, flags: number): Awaitable<OpenResult>;
  /** Pieces that together are the bytes at [offset, offset + length), cut off at the end of the file. */
  read(handle: HandleId, offset: number, length: number): Awaitable<readonly ReadPiece[]>;
  /**
   * Takes the body's bytes; resolves when they have a place (memory budget). While it waits for one, an interruption of the
   * caller ends it, with nothing written.
   * @param killPrivileges the kernel asks to clear setuid and setgid (FUSE_WRITE_KILL_SUIDGID)
   */
  write(caller: Caller, handle: HandleId, offset: number, body: WriteBody, killPrivileges: boolean): Awaitable<void>;
  /** close(2): appends and reports; after it the data survives the daemon's death. */
  flush(handle: HandleId): Awaitable<void>;
  /** A barrier: after it the file survives a power cut. */
  sync(handle: HandleId, dataOnly: boolean): Awaitable<void>;
  release(handle: HandleId): Awaitable<void>;
  /** fallocate(2) with its FALLOC_FL_ mode bits. `caller` is for set-id bits, which one who is not root takes away. */
  allocate(caller: Caller, handle: HandleId, offset: number, length: number, mode: number): Awaitable<void>;
  /** lseek(2) with SEEK_DATA (3) or SEEK_HOLE (4): the offset found. */
  seek(handle: HandleId, offset: number, whence: number): Awaitable<number>;
  /**
   * copy_file_range(2): how many bytes were copied, fewer than `length` where the source ends or there is too much to do
   * at once. @throws {CairnError} `unsupported` where the kernel is to copy the bytes itself
   */
  copyRange(caller: Caller, copy: RangeCopy): Awaitable<number>;
}

/** Operations on open folders. */
export interface FolderOperations {
  open(node: NodeId): Awaitable<HandleId>;
  /**
   * The entries behind `cookie` (0: from the start), at most `limit`; empty at the end. `.` and `..` are among them.
   */
  read(handle: HandleId, cookie: number, limit: number): Awaitable<readonly FolderEntry[]>;
  /** The kernel got one reference to this entry (readdirplus). */
  reference(node: NodeId): void;
  sync(handle: HandleId): Awaitable<void>;
  release(handle: HandleId): void;
}

/** Operations on extended attributes; names and values are bytes. */
export interface XattrOperations {
  /** @throws {CairnError} `no-attribute` where there is none */
  get(node: NodeId, name: Uint8Array): Awaitable<Uint8Array>;
  /** The names, without terminators. */
  list(node: NodeId): Awaitable<readonly Uint8Array[]>;
  /** `flags`: XATTR_CREATE 1, XATTR_REPLACE 2. `killSetgid`: the kernel asks to clear setgid with a new ACL. */
  set(
    caller: Caller,
    node: NodeId,
    name: Uint8Array,
    value: Uint8Array,
    flags: number,
    killSetgid: boolean,
  ): Awaitable<void>;
  remove(caller: Caller, node: NodeId, name: Uint8Array): Awaitable<void>;
}

/** What statfs(2) shows: sizes in bytes. */
export interface FileSystemFigures {
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly availableBytes: number;
  readonly files: number;
  readonly freeFiles: number;
}

/** The whole tree a mount shows, as families of operations. One thread uses it. */
export interface Vfs {
  readonly root: NodeId;
  readonly names: NameOperations;
  readonly attributes: AttributeOperations;
  readonly files: FileOperations;
  readonly folders: FolderOperations;
  readonly xattrs: XattrOperations;
  figures(): Awaitable<FileSystemFigures>;
}
