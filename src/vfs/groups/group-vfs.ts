import { CairnError } from '../../core/errors.js';
import type {
  Attributes,
  Awaitable,
  FolderEntry,
  FolderOperations,
  HandleId,
  NameOperations,
  NodeId,
  Vfs,
} from '../api.js';

/** What the snapshots of a group that is mounted alone are under. */
export const SNAPSHOTS_NAME = Buffer.from('.snapshots');
const CURRENT_NAME = Buffer.from('current');
const DOT_DOT = Buffer.from('..');

/** The two folders of a group: its own, and its live tree's. */
export interface GroupNodes {
  readonly group: NodeId;
  readonly current: NodeId;
}

/**
 * One group of a whole tree as a plain drive (design §1): the live tree at the root, the group's folder without
 * `current` as `.snapshots`, which a lookup finds and no listing shows. Nodes are those of the whole tree.
 */
export function openGroupVfs(whole: Vfs, nodes: GroupNodes): Vfs {
  return {
    ...whole,
    root: nodes.current,
    names: groupNames(whole, nodes),
    folders: groupFolders(whole, nodes),
  };
}

function isSame(a: NodeId, b: NodeId): boolean {
  return a.position === b.position && a.archive === b.archive;
}

function groupNames(whole: Vfs, { group, current }: GroupNodes): NameOperations {
  const { names } = whole;
  const isSnapshots = (parent: NodeId, name: Uint8Array) => isSame(parent, current) && SNAPSHOTS_NAME.equals(name);
  const requireFree = (parent: NodeId, name: Uint8Array) => {
    if (isSnapshots(parent, name)) throw new CairnError('exists', '.snapshots is where the snapshots are');
  };
  const requireOrdinary = (parent: NodeId, name: Uint8Array) => {
    if (isSnapshots(parent, name)) throw new CairnError('not-permitted', '.snapshots stays where it is');
  };
  return {
    lookup(parent, name): Awaitable<Attributes | undefined> {
      if (isSnapshots(parent, name)) return whole.attributes.get(group);
      return isSame(parent, group) && CURRENT_NAME.equals(name) ? undefined : names.lookup(parent, name);
    },
    create(caller, parent, name, mode, umask, flags) {
      requireFree(parent, name);
      return names.create(caller, parent, name, mode, umask, flags);
    },
    temporary: (caller, parent, mode, umask, flags) => names.temporary(caller, parent, mode, umask, flags),
    makeNode(caller, parent, name, mode, umask, rdev) {
      requireFree(parent, name);
      return names.makeNode(caller, parent, name, mode, umask, rdev);
    },
    makeFolder(caller, parent, name, mode, umask) {
      requireFree(parent, name);
      return names.makeFolder(caller, parent, name, mode, umask);
    },
    symlink(caller, parent, name, target) {
      requireFree(parent, name);
      return names.symlink(caller, parent, name, target);
    },
    link(node, newParent, newName) {
      requireFree(newParent, newName);
      return names.link(node, newParent, newName);
    },
    unlink(parent, name) {
      requireOrdinary(parent, name);
      return names.unlink(parent, name);
    },
    removeFolder(parent, name) {
      requireOrdinary(parent, name);
      return names.removeFolder(parent, name);
    },
    rename(caller, parent, name, newParent, newName, flags) {
      requireOrdinary(parent, name);
      requireOrdinary(newParent, newName);
      return names.rename(caller, parent, name, newParent, newName, flags);
    },
    forget: (node, count) => names.forget(node, count),
  };
}

function groupFolders(whole: Vfs, { group, current }: GroupNodes): FolderOperations {
  const { folders } = whole;
  /** Open folders of the two, by handle. */
  const special = new Map<HandleId, NodeId>();

  /** The root has no parent, the group's folder has it for one; each hides one name. */
  async function listed(node: NodeId, entries: readonly FolderEntry[]): Promise<FolderEntry[]> {
    const hidden = isSame(node, current) ? SNAPSHOTS_NAME : CURRENT_NAME;
    const root = await whole.attributes.get(current);
    return entries
      .filter(({ name }) => !hidden.equals(name))
      .map((entry) => (DOT_DOT.equals(entry.name) ? { ...entry, attributes: root } : entry));
  }

  return {
    ...folders,
    open(node) {
      if (!isSame(node, current) && !isSame(node, group)) return folders.open(node);
      return Promise.resolve(folders.open(node)).then((handle) => {
        special.set(handle, node);
        return handle;
      });
    },
    read(handle, cookie, limit) {
      const node = special.get(handle);
      return node === undefined ? folders.read(handle, cookie, limit) : readSpecial(node, handle, cookie, limit);
    },
    release(handle) {
      special.delete(handle);
      folders.release(handle);
    },
  };

  async function readSpecial(
    node: NodeId,
    handle: HandleId,
    cookie: number,
    limit: number,
  ): Promise<readonly FolderEntry[]> {
    // Nothing at all would mean the end of the folder.
    for (let from = cookie; ; ) {
      const entries = await folders.read(handle, from, limit);
      const shown = await listed(node, entries);
      const last = entries.at(-1);
      if (shown.length > 0 || last === undefined) return shown;
      from = last.cookie;
    }
  }
}
