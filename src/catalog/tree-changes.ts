import { CairnError } from '../core/errors.js';
import type { PlaceTreeChange } from './change.js';
import { isFolder, ROLE_CURRENT } from './inode.js';
import type { InodeEntry } from './inodes.js';
import { requireFolder, requireSameGroup, touchFolder } from './name-changes.js';
import type { Tables } from './tables.js';

/**
 * Places a tree (change.ts says what that means).
 * @throws {CairnError} where the change makes no sense: nothing was changed
 */
export function applyPlaceTree(tables: Tables, change: PlaceTreeChange): void {
  const { ino, parent, name } = change;
  const tree = requireUnnamedTree(tables, ino);
  requireSameGroup(requireFolder(tables, parent), tree.inode.group);
  const there = tables.names.find(parent, name);
  if (there === undefined) nameTree(tables, ino, parent, name, change);
  else {
    const before = tables.inodes.require(there.ino, 'folder').inode;
    if (!isFolder(before.mode)) throw new CairnError('corrupt', `A change puts a tree in place of inode ${there.ino}`);
    tables.names.point(there, ino);
    tables.orphans.insert(there.ino);
    tables.orphans.remove(ino);
    touchFolder(tables, parent, 0, change);
  }
  if (tree.inode.role === ROLE_CURRENT) tables.groups.setCurrent(tree.inode.group, ino);
}

/** @throws {CairnError} `corrupt` where it is no folder, or has a name */
export function requireUnnamedTree(tables: Tables, ino: number): InodeEntry {
  const tree = tables.inodes.require(ino, 'folder');
  if (isFolder(tree.inode.mode) && tables.listing.parentOf(ino) === undefined) return tree;
  throw new CairnError('corrupt', `A change places inode ${ino}, which is no folder or has a name`);
}

/** Gives a folder without a name its name; the parent gains a link. */
export function nameTree(
  tables: Tables,
  ino: number,
  parent: number,
  name: Uint8Array,
  time: { readonly timeSec: number; readonly timeNsec: number },
): void {
  tables.names.insert(parent, name, ino);
  tables.orphans.remove(ino);
  touchFolder(tables, parent, 1, time);
}
