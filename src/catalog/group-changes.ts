import { CairnError } from '../core/errors.js';
import { groupPath } from '../core/group.js';
import type { CreateGroupChange, RemoveGroupChange } from './change.js';
import {
  type Inode,
  ROLE_CURRENT,
  ROLE_GROUP,
  ROLE_NAMESPACE,
  ROLE_NAMESPACES,
  ROLE_TYPE,
  ROOT_INO,
  type Role,
} from './inode.js';
import { removeInode, touchFolder } from './name-changes.js';
import type { Tables } from './tables.js';
import { nameTree, requireUnnamedTree } from './tree-changes.js';

/** A new folder of the mount's frame. */
export interface FrameFolder {
  readonly ino: number;
  readonly role: Role;
  readonly group: number;
  readonly uid: number;
  readonly gid: number;
  readonly timeSec: number;
  readonly timeNsec: number;
}

/** Makes a folder of the mount's frame, mode 0755, and its name. */
export function makeFrameFolder(tables: Tables, parent: number, name: string, folder: FrameFolder): void {
  const { ino, role, group, uid, gid, timeSec, timeNsec } = folder;
  tables.names.insert(parent, Buffer.from(name), ino);
  tables.inodes.insert(frameInode({ ino, role, group, uid, gid, timeSec, timeNsec }));
  touchFolder(tables, parent, 1, folder);
}

/** The inode of a folder of the mount's frame, without subfolders. */
export function frameInode(folder: FrameFolder): Inode {
  const { ino, role, group, uid, gid, timeSec: sec, timeNsec: nsec } = folder;
  return {
    ...{ ino, mode: 0o040755, nlink: 2, uid, gid, rdev: 0, size: 0, allocated: 0 },
    ...{ atimeSec: sec, atimeNsec: nsec, mtimeSec: sec, mtimeNsec: nsec },
    ...{ ctimeSec: sec, ctimeNsec: nsec, btimeSec: sec, btimeNsec: nsec },
    ...{ storage: 0, chunker: 0, version: 0, role, group, target: null },
  };
}

/** Makes a group's folders and row. @throws {CairnError} where it exists or numbers are missing: nothing was changed */
export function applyCreateGroup(tables: Tables, change: CreateGroupChange): void {
  const path = groupPath(change.group);
  if (tables.groups.findByName(change.group) !== undefined) {
    throw new CairnError('corrupt', `A change makes group ${path}, which exists`);
  }
  if (tables.inodes.entry(change.currentIno) !== undefined) requireUnnamedTree(tables, change.currentIno);
  const { uid, gid, timeSec, timeNsec } = change;
  const steps = missingFolders(tables, change);
  for (const { parent, name, ino, role, group } of steps) {
    if (tables.inodes.entry(ino) !== undefined) nameTree(tables, ino, parent, Buffer.from(name), change);
    else makeFrameFolder(tables, parent, name, { ino, role, group, uid, gid, timeSec, timeNsec });
  }
  const { id, group: name, groupIno, currentIno } = change;
  tables.groups.insert({ id, name, groupIno, currentIno });
}

interface Step {
  readonly parent: number;
  readonly name: string;
  readonly ino: number;
  readonly role: Role;
  readonly group: number;
}

/** The folders to make, outermost first. */
function missingFolders(tables: Tables, change: CreateGroupChange): Step[] {
  const above = groupPath(change.group).split('/').slice(0, -1);
  const steps: Step[] = [];
  let parent: number = ROOT_INO;
  above.forEach((name, index) => {
    let ino = steps.length === 0 ? tables.names.find(parent, Buffer.from(name))?.ino : undefined;
    if (ino === undefined) {
      ino = change.folderInos[steps.length];
      if (ino === undefined) throw new CairnError('corrupt', `A change makes a group without a number for ${name}`);
      steps.push({ parent, name, ino, role: roleAbove(index, above.length), group: 0 });
    }
    parent = ino;
  });
  const { id, groupIno, currentIno, group } = change;
  steps.push({ parent, name: group.id, ino: groupIno, role: ROLE_GROUP, group: id });
  steps.push({ parent: groupIno, name: 'current', ino: currentIno, role: ROLE_CURRENT, group: id });
  return steps;
}

/** Above a group lie `ns` and a name, alternating, and last the type. */
function roleAbove(index: number, count: number): Role {
  if (index === count - 1) return ROLE_TYPE;
  return index % 2 === 0 ? ROLE_NAMESPACES : ROLE_NAMESPACE;
}

/** Removes a group's folders and row; the type and namespace folders stay. */
export function applyRemoveGroup(tables: Tables, change: RemoveGroupChange): void {
  const group = tables.groups.require(change.id);
  const path = groupPath(group.name);
  if (tables.snapshots.hasAny(change.id)) throw new CairnError('not-empty', `Group ${path} has snapshots`);
  if (tables.listing.hasEntries(group.currentIno)) throw new CairnError('not-empty', `${path}/current is not empty`);
  const current = tables.names.require(group.groupIno, Buffer.from('current'));
  const parent = tables.listing.parentOf(group.groupIno) ?? ROOT_INO;
  const folder = tables.names.require(parent, Buffer.from(group.name.id));
  tables.names.remove(current);
  tables.names.remove(folder);
  removeInode(tables, tables.inodes.require(group.currentIno, 'folder'));
  removeInode(tables, tables.inodes.require(group.groupIno, 'folder'));
  touchFolder(tables, parent, -1, change);
  tables.groups.remove(change.id);
}
