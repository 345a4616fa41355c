import type { GroupName } from '../core/group.js';
import type { Extent } from './extent.js';
import type { ChunkerKind, Inode, Storage } from './inode.js';

/**
 * One change of a live tree: what a journal record says and what `applyChange` does to SQLite, the same at
 * run time and at replay. A change is checked before it is made; applying it decides nothing, so every
 * outcome (inode numbers, times) is among its arguments. `name` is bytes, times are seconds and nanoseconds.
 */
export type Change =
  | CreateChange
  | LinkChange
  | UnlinkChange
  | RenameChange
  | AttributesChange
  | ContentChange
  | CloneChange
  | SetXattrChange
  | RemoveXattrChange
  | OrphanChange
  | CreateGroupChange
  | PlaceTreeChange
  | RemoveGroupChange;

/**
 * Makes an inode and its name; `parent` 0 makes one without a name, listed as an orphan: a file (O_TMPFILE) has nlink 0,
 * a folder keeps its links: a tree is made below it, to be placed when it is whole.
 */
export interface CreateChange {
  readonly kind: 'create';
  readonly parent: number;
  readonly name: Uint8Array;
  /**
   * The whole new inode, without content yet (`allocated` is not taken); a folder's parent gains a link; parent's
   * mtime and ctime become the inode's ctime.
   */
  readonly inode: Inode;
  /** Extended attributes the inode is born with (inherited ACLs). */
  readonly xattrs: readonly Xattr[];
}

export interface Xattr {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

/** Adds a name to an inode of the same group (an orphan is one no longer). */
export interface LinkChange {
  readonly kind: 'link';
  readonly ino: number;
  readonly parent: number;
  readonly name: Uint8Array;
  readonly timeSec: number;
  readonly timeNsec: number;
}

/** Takes a name away (unlink and rmdir). An inode without names becomes an orphan. */
export interface UnlinkChange {
  readonly kind: 'unlink';
  readonly parent: number;
  readonly name: Uint8Array;
  readonly timeSec: number;
  readonly timeNsec: number;
}

/**
 * rename(2) within one group: what the new name meant before loses that name; with `exchange` both swap. With `whiteout`
 * (a new inode without xattrs, made as by CreateChange) the old name means that one afterwards. Between two names of one
 * inode it does nothing, times included.
 */
export interface RenameChange {
  readonly kind: 'rename';
  readonly parent: number;
  readonly name: Uint8Array;
  readonly newParent: number;
  readonly newName: Uint8Array;
  readonly exchange: boolean;
  readonly whiteout?: Inode;
  readonly timeSec: number;
  readonly timeNsec: number;
}

/** Sets the fields of an inode that are given. `size` belongs to ContentChange. */
export interface AttributesChange {
  readonly kind: 'attributes';
  readonly ino: number;
  readonly fields: Partial<
    Pick<
      Inode,
      | 'mode'
      | 'uid'
      | 'gid'
      | 'atimeSec'
      | 'atimeNsec'
      | 'mtimeSec'
      | 'mtimeNsec'
      | 'ctimeSec'
      | 'ctimeNsec'
      | 'chunker'
    >
  >;
}

/**
 * Replaces what the file holds in the range [start, end) by `extents` (sorted, inside the range; gaps are
 * holes), sets the size (cutting off what lies behind) and adds one to the version.
 * With `ifVersion` it does nothing at all unless the inode exists and has that version: a background swap,
 * which leaves size and times alone (storage, chunker and version are set).
 * The chunks it names become known as present; one known as bad stays so (chunks.ts).
 */
export interface ContentChange {
  readonly kind: 'content';
  readonly ino: number;
  readonly start: number;
  readonly end: number;
  readonly extents: readonly Extent[];
  readonly size: number;
  readonly storage: Storage;
  readonly chunker: ChunkerKind;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly ctimeSec: number;
  readonly ctimeNsec: number;
  readonly ifVersion?: number;
  /** A packed file's SHA-256 of content, so that its piece can be found again. */
  readonly contentDigest?: Uint8Array;
}

/**
 * Gives the bytes [start, start + length) of a file the content of the bytes from `fromStart` on of another one, or of
 * itself where the two do not overlap: pieces and holes, by reference. The size grows where needed; the version rises by
 * one. Where all of the source replaces all of the file, both share one list of extents.
 */
export interface CloneChange {
  readonly kind: 'clone';
  readonly ino: number;
  readonly start: number;
  readonly from: number;
  readonly fromStart: number;
  readonly length: number;
  readonly storage: Storage;
  readonly chunker: ChunkerKind;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly ctimeSec: number;
  readonly ctimeNsec: number;
}

export interface SetXattrChange {
  readonly kind: 'set-xattr';
  readonly ino: number;
  readonly name: Uint8Array;
  readonly value: Uint8Array;
  readonly timeSec: number;
  readonly timeNsec: number;
}

export interface RemoveXattrChange {
  readonly kind: 'remove-xattr';
  readonly ino: number;
  readonly name: Uint8Array;
  readonly timeSec: number;
  readonly timeNsec: number;
}

/** An orphan's last handle is closed: the inode goes, its extents go to the queue of freed ones. */
export interface OrphanChange {
  readonly kind: 'drop-orphan';
  readonly ino: number;
}

/** Makes a group's folders in the tree: namespaces and type on the way, the group and its `current/`. */
export interface CreateGroupChange {
  readonly kind: 'create-group';
  readonly group: GroupName;
  /**
   * Row of `groups`, and the inode numbers of the group's folder and of `current/`, which may be a folder of this group
   * that has no name yet.
   */
  readonly id: number;
  readonly groupIno: number;
  readonly currentIno: number;
  /** One inode number for each namespace folder (`ns` and its component: two per level) and the type folder that does not exist yet, outermost first. */
  readonly folderInos: readonly number[];
  readonly uid: number;
  readonly gid: number;
  readonly timeSec: number;
  readonly timeNsec: number;
}

/**
 * Gives a folder without a name one, with all below it. A folder that had the name before is without one then. Where
 * it is a live tree's root it becomes its group's.
 */
export interface PlaceTreeChange {
  readonly kind: 'place-tree';
  readonly ino: number;
  readonly parent: number;
  readonly name: Uint8Array;
  readonly timeSec: number;
  readonly timeNsec: number;
}

/** Removes an empty group: its `current/` tree must be empty and it must have no snapshots. */
export interface RemoveGroupChange {
  readonly kind: 'remove-group';
  readonly id: number;
  readonly timeSec: number;
  readonly timeNsec: number;
}
