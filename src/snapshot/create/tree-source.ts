import type { PackedPiece, PayloadExtent } from '../../archive/payload.js';
import type { StoredLeaves } from '../../archive/stored-leaves.js';
import type { Xattr } from '../../archive/xattrs.js';
import type { Digest } from '../../core/digest.js';
import type { ByteRange } from '../../core/ranges.js';

/** What an archive is told of an entry; an inode of the catalog is one. Times in seconds since 1970 and nanoseconds. */
export interface TreeNode {
  /** The same for all names of one file. */
  readonly ino: number;
  /** Full st_mode. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  /** As makedev(3) packs it. */
  readonly rdev: number;
  /** Of a regular file, its content in bytes. */
  readonly size: number;
  /** Of a symbolic link. */
  readonly target: Uint8Array | null;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly ctimeSec: number;
  readonly ctimeNsec: number;
  readonly btimeSec: number;
  readonly btimeNsec: number;
  /** Where true the time is not recorded. */
  readonly ctimeUnknown?: boolean;
  readonly btimeUnknown?: boolean;
}

/** Where a regular file's bytes are: a piece of a pack, or chunks with holes between them. */
export type FileContent =
  | { readonly kind: 'packed'; readonly digest: Digest; readonly chunkLength: number; readonly at: number }
  | { readonly kind: 'large'; readonly extents: readonly PayloadExtent[]; readonly holes: readonly ByteRange[] };

/** A name in a folder. */
export interface TreeChildNode<N> {
  readonly name: Uint8Array;
  readonly node: N;
}

/** Names in a folder that an earlier snapshot of the same group has just so, and whose content is in the store. */
export interface SameLeaves {
  readonly leaves: StoredLeaves;
  /** Where the content of a file of more than no bytes is, by where its payload is in that snapshot's stream. */
  readonly pieceAt: (payloadOffset: number) => PackedPiece;
}

type Awaitable<T> = T | Promise<T>;

/**
 * A tree that is to become a snapshot, asked from its root to its end in byte order of names: a folder's children are
 * asked for one by one, or several that are the same as before at once, each folder's own in between.
 */
export interface TreeSource<N extends TreeNode> {
  /** @throws {CairnError} where it is gone */
  root(): Awaitable<N>;
  children(folder: N): { next(): Awaitable<TreeChildNode<N> | SameLeaves | undefined> };
  xattrs(node: N): readonly Xattr[];
  /** Where the bytes of a file of more than none are; undefined where the file is to be left out. */
  content(file: N): Awaitable<FileContent | undefined>;
}
