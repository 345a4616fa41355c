import { CairnError } from '../core/errors.js';
import type {
  AttributesChange,
  CreateChange,
  LinkChange,
  OrphanChange,
  RemoveXattrChange,
  RenameChange,
  SetXattrChange,
  UnlinkChange,
} from './change.js';
import { type Inode, isFolder } from './inode.js';
import { checkInode, type InodeEntry } from './inodes.js';
import type { Dentry } from './names.js';
import type { Tables } from './tables.js';

/** The time of a change. */
interface ChangeTime {
  readonly timeSec: number;
  readonly timeNsec: number;
}

/**
 * The functions below apply changes of names, attributes and extended attributes (change.ts says what each means).
 * All check first: a CairnError says that nothing was changed.
 */
export function applyCreate(tables: Tables, change: CreateChange): void {
  const { parent, name, inode, xattrs } = change;
  checkInode(inode);
  if (parent === 0) {
    tables.inodes.insert(isFolder(inode.mode) ? inode : { ...inode, nlink: 0 });
    tables.orphans.insert(inode.ino);
    tables.groups.noteUsed(inode.group);
  } else {
    requireFolder(tables, parent);
    refuseExisting(tables, parent, name);
    tables.names.insert(parent, name, inode.ino);
    tables.inodes.insert(inode);
    const time = { timeSec: inode.ctimeSec, timeNsec: inode.ctimeNsec };
    touchFolder(tables, parent, isFolder(inode.mode) ? 1 : 0, time);
  }
  for (const xattr of xattrs) tables.xattrs.put(inode.ino, xattr);
}

export function applyLink(tables: Tables, change: LinkChange): void {
  const { ino, parent, name } = change;
  const { inode } = tables.inodes.require(ino, 'inode');
  if (isFolder(inode.mode)) throw new CairnError('corrupt', `A change links folder ${ino}`);
  requireSameGroup(requireFolder(tables, parent), inode.group);
  refuseExisting(tables, parent, name);
  tables.names.insert(parent, name, ino);
  touchInode(tables, ino, inode.nlink + 1, change);
  if (inode.nlink === 0) tables.orphans.remove(ino);
  touchFolder(tables, parent, 0, change);
}

export function applyUnlink(tables: Tables, change: UnlinkChange): void {
  const dentry = tables.names.require(change.parent, change.name);
  refuseNotEmpty(tables, dentry.ino);
  tables.names.remove(dentry);
  touchFolder(tables, change.parent, loseName(tables, dentry.ino, change), change);
}

export function applyRename(tables: Tables, change: RenameChange): void {
  const from = tables.names.require(change.parent, change.name);
  const moving = tables.inodes.require(from.ino, 'inode').inode;
  requireSameGroup(requireFolder(tables, change.newParent), moving.group);
  if (change.whiteout !== undefined) checkInode(change.whiteout);
  const to = tables.names.find(change.newParent, change.newName);
  if (to?.ino === from.ino) return;
  if (change.exchange) exchange(tables, change, from, to);
  else move(tables, change, from, to);
  if (change.whiteout !== undefined) leaveWhiteout(tables, change, change.whiteout);
}

function leaveWhiteout(tables: Tables, { parent, name }: RenameChange, inode: Inode): void {
  tables.names.insert(parent, name, inode.ino);
  tables.inodes.insert(inode);
}

/** A folder that changes its parent takes its `..` along. */
function move(tables: Tables, change: RenameChange, from: Dentry, to: Dentry | undefined): void {
  const moving = tables.inodes.require(from.ino, 'inode').inode;
  let gained = isFolder(moving.mode) ? 1 : 0;
  const lost = -gained;
  if (to === undefined) {
    tables.names.move(from, change.newParent, change.newName);
  } else {
    refuseNotEmpty(tables, to.ino);
    tables.names.remove(from);
    tables.names.point(to, from.ino);
    gained += loseName(tables, to.ino, change);
  }
  touchInode(tables, from.ino, moving.nlink, change);
  touchFolders(tables, change, lost, gained);
}

function exchange(tables: Tables, change: RenameChange, from: Dentry, to: Dentry | undefined): void {
  const there = to ?? tables.names.require(change.newParent, change.newName);
  const a = tables.inodes.require(from.ino, 'inode').inode;
  const b = tables.inodes.require(there.ino, 'inode').inode;
  tables.names.point(from, there.ino);
  tables.names.point(there, from.ino);
  touchInode(tables, a.ino, a.nlink, change);
  touchInode(tables, b.ino, b.nlink, change);
  const difference = Number(isFolder(a.mode)) - Number(isFolder(b.mode));
  touchFolders(tables, change, -difference, difference);
}

export function applyAttributes(tables: Tables, change: AttributesChange): void {
  tables.inodes.update(tables.inodes.require(change.ino, 'inode'), change.fields);
}

export function applySetXattr(tables: Tables, change: SetXattrChange): void {
  const { inode } = tables.inodes.require(change.ino, 'inode');
  tables.xattrs.put(change.ino, change);
  touchInode(tables, change.ino, inode.nlink, change);
}

export function applyRemoveXattr(tables: Tables, change: RemoveXattrChange): void {
  const { inode } = tables.inodes.require(change.ino, 'inode');
  tables.xattrs.remove(change.ino, change.name);
  touchInode(tables, change.ino, inode.nlink, change);
}

export function applyDropOrphan(tables: Tables, change: OrphanChange): void {
  const entry = tables.inodes.require(change.ino, 'orphan');
  const { mode, nlink } = entry.inode;
  const isNamed = isFolder(mode) ? tables.listing.parentOf(change.ino) !== undefined : nlink !== 0;
  if (isNamed) throw new CairnError('corrupt', `A change drops inode ${change.ino}, which has names`);
  refuseNotEmpty(tables, change.ino);
  tables.orphans.remove(change.ino);
  removeInode(tables, entry);
}

/** Deletes an inode's row and what hangs on it. */
export function removeInode(tables: Tables, entry: InodeEntry): void {
  tables.xattrs.removeAll(entry.inode.ino);
  tables.extents.release(entry.list);
  tables.inodes.remove(entry);
}

/** Sets a folder's times and adds to its links, which count subfolders. */
export function touchFolder(tables: Tables, ino: number, links: number, time: ChangeTime): void {
  const entry = tables.inodes.require(ino, 'folder');
  tables.inodes.update(entry, {
    nlink: entry.inode.nlink + links,
    mtimeSec: time.timeSec,
    mtimeNsec: time.timeNsec,
    ctimeSec: time.timeSec,
    ctimeNsec: time.timeNsec,
  });
}

/** Both folders of a rename, which may be one. */
function touchFolders(tables: Tables, change: RenameChange, oldLinks: number, newLinks: number): void {
  if (change.parent === change.newParent) {
    touchFolder(tables, change.parent, oldLinks + newLinks, change);
  } else {
    touchFolder(tables, change.parent, oldLinks, change);
    touchFolder(tables, change.newParent, newLinks, change);
  }
}

function touchInode(tables: Tables, ino: number, nlink: number, time: ChangeTime): void {
  const fields = { nlink, ctimeSec: time.timeSec, ctimeNsec: time.timeNsec };
  tables.inodes.update(tables.inodes.require(ino, 'inode'), fields);
}

/** One name less; without any it is an orphan. Returns what that adds to the links of the folder it was in. */
function loseName(tables: Tables, ino: number, time: ChangeTime): number {
  const { inode } = tables.inodes.require(ino, 'inode');
  const folder = isFolder(inode.mode);
  const nlink = folder ? 0 : inode.nlink - 1;
  touchInode(tables, ino, nlink, time);
  if (nlink === 0) tables.orphans.insert(ino);
  return folder ? -1 : 0;
}

export function requireFolder(tables: Tables, ino: number): InodeEntry {
  const entry = tables.inodes.require(ino, 'folder');
  if (!isFolder(entry.inode.mode) || entry.inode.nlink === 0) {
    throw new CairnError('corrupt', `A change puts a name into inode ${ino}, which is no folder or is removed`);
  }
  return entry;
}

/** A tree's inodes carry its group, so nothing moves between trees. */
export function requireSameGroup(folder: InodeEntry, group: number): void {
  if (folder.inode.group !== group) {
    throw new CairnError('cross-device', `Folder ${folder.inode.ino} belongs to another group: copy instead`);
  }
}

function refuseExisting(tables: Tables, parent: number, name: Uint8Array): void {
  if (tables.names.find(parent, name) !== undefined) {
    const shown = JSON.stringify(Buffer.from(name).toString());
    throw new CairnError('corrupt', `A change makes ${shown} in folder ${parent}, which exists`);
  }
}

function refuseNotEmpty(tables: Tables, ino: number): void {
  const { inode } = tables.inodes.require(ino, 'inode');
  if (isFolder(inode.mode) && tables.listing.hasEntries(ino)) {
    throw new CairnError('not-empty', `Folder ${ino} is not empty`);
  }
}
