/** How a regular file's bytes are stored (design §2): a packed file is one piece of a shared chunk. */
export const STORAGE_PACKED = 1;
export const STORAGE_LARGE = 2;
export type Storage = 0 | typeof STORAGE_PACKED | typeof STORAGE_LARGE;

/** Which chunker cuts a large file; chosen at the first write and kept with the inode. */
export const CHUNKER_DYNAMIC = 0;
export const CHUNKER_FIXED = 1;
export type ChunkerKind = typeof CHUNKER_DYNAMIC | typeof CHUNKER_FIXED;

/** What a folder is in the tree a mount shows (design §1); only `ORDINARY` ones are inside a live tree. */
export const ROLE_ORDINARY = 0;
export const ROLE_ROOT = 1;
export const ROLE_TYPE = 2;
export const ROLE_GROUP = 3;
export const ROLE_NAMESPACES = 4;
export const ROLE_NAMESPACE = 5;
/** `current/`: the root of a group's live tree; its inode may be changed, its name may not. */
export const ROLE_CURRENT = 6;
export type Role = 0 | 1 | 2 | 3 | 4 | 5 | 6;

/** Inode number of the mount's root folder. */
export const ROOT_INO = 1;

/**
 * One inode of the live side: a row of `inodes`. Numbers are never re-used. `mode` is the full st_mode.
 * A folder's `nlink` counts 2 + its subfolders.
 */
export interface Inode {
  readonly ino: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  /** Device number as makedev(3) packs it, low 32 bits; 0 unless a device node. */
  rdev: number;
  /** Bytes; for a symbolic link the length of its target; 0 for folders. */
  size: number;
  /** Bytes that are not holes: what st_blocks tells, in 512-byte units rounded up. */
  allocated: number;
  atimeSec: number;
  atimeNsec: number;
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;
  btimeSec: number;
  btimeNsec: number;
  storage: Storage;
  chunker: ChunkerKind;
  /** Rises with each change of the content; a background swap of pieces names the version it was made from. */
  version: number;
  role: Role;
  /** The group (row of `groups`) whose tree this inode belongs to; 0 outside any. */
  group: number;
  /** A symbolic link's target as bytes, else null. */
  target: Uint8Array | null;
}

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;

/** Whether an st_mode is a folder's. */
export function isFolder(mode: number): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}

/** Whether an st_mode is a regular file's. */
export function isRegularFile(mode: number): boolean {
  return (mode & S_IFMT) === S_IFREG;
}
