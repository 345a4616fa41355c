import { type Inode, ROLE_GROUP } from '../../catalog/inode.js';
import { CairnError } from '../../core/errors.js';
import type {
  AttributeOperations,
  Attributes,
  FileOperations,
  FolderOperations,
  NameOperations,
  NodeId,
  Vfs,
  XattrOperations,
} from '../api.js';
import type { LiveParts } from '../live/live-parts.js';

const CURRENT_NAME = Buffer.from('current');
const O_ACCMODE = 3;

/** Which groups other machines write to (datastore/shared). Groups are rows of `groups`. */
export interface ForeignGroups {
  readonly isAny: boolean;
  has(group: number): boolean;
  /** Whether there is a live tree of such a group to show: this machine wrote to it before. */
  showsLiveTree(group: number): boolean;
  /** Makes this machine the group's writer. @throws {CairnError} `busy` saying who is */
  takeOver(group: number): Promise<void>;
}

/**
 * A whole tree in which live trees of other machines' groups do not change: they are not shown where nothing of them is
 * here, and `mkdir current` makes this machine their writer, if no other one is.
 */
export function guardForeignGroups(whole: Vfs, { tree }: Pick<LiveParts, 'tree'>, foreign: ForeignGroups): Vfs {
  const groupOf = (node: NodeId): Readonly<Inode> | undefined => {
    if (!foreign.isAny || node.archive !== 0) return undefined;
    const inode = tree.inodes.find(node.position);
    return inode !== undefined && foreign.has(inode.group) ? inode : undefined;
  };
  const requireOurs = (node: NodeId): void => {
    if (groupOf(node) !== undefined) {
      throw new CairnError('read-only', 'The group belongs to another machine: see "cairn status"');
    }
  };
  /** Whether the node is the folder of a foreign group that has no live tree to show. */
  const hidesCurrent = (node: NodeId): boolean => {
    const folder = groupOf(node);
    return folder?.role === ROLE_GROUP && !foreign.showsLiveTree(folder.group);
  };
  return {
    ...whole,
    names: guardedNames(whole.names, { requireOurs, hidesCurrent, groupOf }, foreign),
    attributes: guardedAttributes(whole.attributes, requireOurs),
    files: guardedFiles(whole.files, requireOurs),
    folders: guardedFolders(whole.folders, hidesCurrent),
    xattrs: guardedXattrs(whole.xattrs, requireOurs),
  };
}

type RequireOurs = (node: NodeId) => void;

interface Guard {
  readonly requireOurs: RequireOurs;
  hidesCurrent(node: NodeId): boolean;
  groupOf(node: NodeId): Readonly<Inode> | undefined;
}

function guardedNames(names: NameOperations, guard: Guard, foreign: ForeignGroups): NameOperations {
  const { requireOurs, hidesCurrent, groupOf } = guard;
  return {
    ...names,
    lookup(parent, name) {
      return CURRENT_NAME.equals(name) && hidesCurrent(parent) ? undefined : names.lookup(parent, name);
    },
    create(caller, parent, name, mode, umask, flags) {
      requireOurs(parent);
      return names.create(caller, parent, name, mode, umask, flags);
    },
    temporary(caller, parent, mode, umask, flags) {
      requireOurs(parent);
      return names.temporary(caller, parent, mode, umask, flags);
    },
    makeNode(caller, parent, name, mode, umask, rdev) {
      requireOurs(parent);
      return names.makeNode(caller, parent, name, mode, umask, rdev);
    },
    makeFolder(caller, parent, name, mode, umask) {
      const folder = groupOf(parent);
      if (folder?.role === ROLE_GROUP && CURRENT_NAME.equals(name))
        return takenOver(names, foreign, folder.group, parent);
      requireOurs(parent);
      return names.makeFolder(caller, parent, name, mode, umask);
    },
    symlink(caller, parent, name, target) {
      requireOurs(parent);
      return names.symlink(caller, parent, name, target);
    },
    link(node, newParent, newName) {
      requireOurs(newParent);
      return names.link(node, newParent, newName);
    },
    unlink(parent, name) {
      requireOurs(parent);
      return names.unlink(parent, name);
    },
    removeFolder(parent, name) {
      requireOurs(parent);
      return names.removeFolder(parent, name);
    },
    rename(caller, parent, name, newParent, newName, flags) {
      requireOurs(parent);
      requireOurs(newParent);
      return names.rename(caller, parent, name, newParent, newName, flags);
    },
  };
}

/** @returns attributes of the live tree */
async function takenOver(
  names: NameOperations,
  foreign: ForeignGroups,
  group: number,
  folder: NodeId,
): Promise<Attributes> {
  await foreign.takeOver(group);
  const current = await names.lookup(folder, CURRENT_NAME);
  if (current === undefined) throw new CairnError('stale', 'The group was removed meanwhile');
  return current;
}

function guardedAttributes(attributes: AttributeOperations, requireOurs: RequireOurs): AttributeOperations {
  return {
    ...attributes,
    set(caller, node, handle, changes) {
      requireOurs(node);
      return attributes.set(caller, node, handle, changes);
    },
  };
}

function guardedFiles(files: FileOperations, requireOurs: RequireOurs): FileOperations {
  return {
    ...files,
    open(caller, node, flags) {
      if ((flags & O_ACCMODE) !== 0) requireOurs(node);
      return files.open(caller, node, flags);
    },
  };
}

function guardedFolders(folders: FolderOperations, hidesCurrent: (node: NodeId) => boolean): FolderOperations {
  const hiding = new Set<number>();
  return {
    ...folders,
    open(node) {
      if (!hidesCurrent(node)) return folders.open(node);
      return Promise.resolve(folders.open(node)).then((handle) => {
        hiding.add(handle);
        return handle;
      });
    },
    read(handle, cookie, limit) {
      const entries = folders.read(handle, cookie, limit);
      if (!hiding.has(handle)) return entries;
      return Promise.resolve(entries).then((all) => all.filter(({ name }) => !CURRENT_NAME.equals(name)));
    },
    release(handle) {
      hiding.delete(handle);
      return folders.release(handle);
    },
  };
}

function guardedXattrs(xattrs: XattrOperations, requireOurs: RequireOurs): XattrOperations {
  return {
    ...xattrs,
    set(caller, node, name, value, flags, killSetgid) {
      requireOurs(node);
      return xattrs.set(caller, node, name, value, flags, killSetgid);
    },
    remove(caller, node, name) {
      requireOurs(node);
      return xattrs.remove(caller, node, name);
    },
  };
}
