import { CairnError } from '../../core/errors.js';
import { absentXattr } from '../absent-xattr.js';
import type {
  AttributeOperations,
  FileOperations,
  FolderOperations,
  HandleId,
  NameOperations,
  NodeId,
  Vfs,
  XattrOperations,
} from '../api.js';
import { OBJECTS_ARCHIVE, OBJECTS_FOLDER_NODE, type ObjectNodes } from './object-nodes.js';

/** What objects are under, at the root of a whole datastore. */
export const OBJECTS_NAME = Buffer.from('.objects');

/** Handles from here on are ours; others stay far below. */
const FIRST_HANDLE = 2 ** 44;
const O_ACCMODE = 3;

/**
 * A whole tree with the objects of the library, read-only, in a folder of its root that a lookup finds and no listing shows: so
 * `rsync --delete`, `find` and `rm -rf` leave it alone, as `.snapshots` of a group.
 */
export function openObjectsVfs(whole: Vfs, nodes: ObjectNodes): Vfs {
  return {
    ...whole,
    names: objectNames(whole, nodes),
    attributes: objectAttributes(whole, nodes),
    files: objectFiles(whole, nodes),
    folders: objectFolders(whole, nodes),
    xattrs: objectXattrs(whole),
  };
}

function isObject({ archive }: NodeId): boolean {
  return archive === OBJECTS_ARCHIVE;
}

function isFolder({ position }: NodeId): boolean {
  return position === OBJECTS_FOLDER_NODE.position;
}

/** @throws {CairnError} `read-only` for a node of ours */
function requireOther(...nodes: readonly NodeId[]): void {
  if (nodes.some(isObject)) throw refused();
}

function refused(): CairnError {
  return new CairnError('read-only', 'Objects are changed by the library alone');
}

function objectNames({ names, root }: Vfs, nodes: ObjectNodes): NameOperations {
  return {
    lookup(parent, name) {
      if (!isObject(parent)) {
        const isOurs = parent.archive === root.archive && parent.position === root.position;
        return isOurs && OBJECTS_NAME.equals(name) ? nodes.get(OBJECTS_FOLDER_NODE) : names.lookup(parent, name);
      }
      if (!isFolder(parent)) throw new CairnError('not-a-directory', 'An object is a file');
      return nodes.lookup(name);
    },
    create(...args) {
      requireOther(args[1]);
      return names.create(...args);
    },
    temporary(...args) {
      requireOther(args[1]);
      return names.temporary(...args);
    },
    makeNode(...args) {
      requireOther(args[1]);
      return names.makeNode(...args);
    },
    makeFolder(...args) {
      requireOther(args[1]);
      return names.makeFolder(...args);
    },
    symlink(...args) {
      requireOther(args[1]);
      return names.symlink(...args);
    },
    link(node, newParent, newName) {
      requireOther(newParent);
      if (isObject(node)) throw new CairnError('cross-device', 'A hard link cannot lead to an object');
      return names.link(node, newParent, newName);
    },
    unlink(parent, name) {
      requireOther(parent);
      return names.unlink(parent, name);
    },
    removeFolder(parent, name) {
      requireOther(parent);
      return names.removeFolder(parent, name);
    },
    rename(...args) {
      requireOther(args[1], args[3]);
      return names.rename(...args);
    },
    forget(node, count) {
      if (isObject(node)) nodes.forget(node, count);
      else names.forget(node, count);
    },
  };
}

function objectAttributes({ attributes }: Vfs, nodes: ObjectNodes): AttributeOperations {
  return {
    get: (node) => (isObject(node) ? nodes.get(node) : attributes.get(node)),
    set(caller, node, handle, changes) {
      requireOther(node);
      return attributes.set(caller, node, handle, changes);
    },
    readLink(node) {
      if (isObject(node)) throw new CairnError('invalid', 'Not a symbolic link');
      return attributes.readLink(node);
    },
  };
}

function objectFiles({ files }: Vfs, nodes: ObjectNodes): FileOperations {
  const open = new Map<HandleId, NodeId>();
  let last: HandleId = FIRST_HANDLE;
  const requireOtherHandle = (handle: HandleId): void => {
    if (open.has(handle)) throw refused();
  };
  return {
    open(caller, node, flags) {
      if (!isObject(node)) return files.open(caller, node, flags);
      if ((flags & O_ACCMODE) !== 0) throw refused();
      if (isFolder(node)) throw new CairnError('is-a-directory', 'A folder');
      last += 1;
      open.set(last, node);
      return { handle: last, directIo: false, keepCache: true, noFlush: true };
    },
    read(handle, offset, length) {
      const node = open.get(handle);
      return node === undefined ? files.read(handle, offset, length) : nodes.read(node, offset, length);
    },
    write(...args) {
      requireOtherHandle(args[1]);
      return files.write(...args);
    },
    flush: (handle) => (open.has(handle) ? undefined : files.flush(handle)),
    sync: (handle, dataOnly) => (open.has(handle) ? undefined : files.sync(handle, dataOnly)),
    release: (handle) => (open.delete(handle) ? undefined : files.release(handle)),
    allocate(...args) {
      requireOtherHandle(args[1]);
      return files.allocate(...args);
    },
    seek(handle, offset, whence) {
      const node = open.get(handle);
      if (node === undefined) return files.seek(handle, offset, whence);
      throw new CairnError('unsupported', 'An object has no holes');
    },
    copyRange(caller, copy) {
      requireOtherHandle(copy.to);
      if (open.has(copy.from)) throw new CairnError('unsupported', 'The kernel is to copy the bytes');
      return files.copyRange(caller, copy);
    },
  };
}

type Listing = Parameters<ObjectNodes['list']>[2];

function objectFolders({ folders }: Vfs, nodes: ObjectNodes): FolderOperations {
  const open = new Map<HandleId, { listing: Listing }>();
  let last: HandleId = FIRST_HANDLE;
  return {
    open(node) {
      if (!isObject(node)) return folders.open(node);
      if (!isFolder(node)) throw new CairnError('not-a-directory', 'An object is a file');
      last += 1;
      open.set(last, { listing: undefined });
      return last;
    },
    read(handle, cookie, limit) {
      const mine = open.get(handle);
      return mine === undefined ? folders.read(handle, cookie, limit) : readObjects(mine, cookie, limit);
    },
    reference(node) {
      if (isObject(node)) nodes.reference(node);
      else folders.reference(node);
    },
    sync: (handle) => (open.has(handle) ? undefined : folders.sync(handle)),
    release(handle) {
      if (!open.delete(handle)) folders.release(handle);
    },
  };

  async function readObjects(mine: { listing: Listing }, cookie: number, limit: number) {
    const { entries, reached } = await nodes.list(cookie, limit, mine.listing);
    mine.listing = reached;
    return entries;
  }
}

function objectXattrs({ xattrs }: Vfs): XattrOperations {
  return {
    get(node, name) {
      if (isObject(node)) throw absentXattr(name);
      return xattrs.get(node, name);
    },
    list: (node) => (isObject(node) ? [] : xattrs.list(node)),
    set(...args) {
      requireOther(args[1]);
      return xattrs.set(...args);
    },
    remove(...args) {
      requireOther(args[1]);
      return xattrs.remove(...args);
    },
  };
}
