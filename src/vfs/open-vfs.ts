import { ROLE_GROUP, ROOT_INO } from '../catalog/inode.js';
import { CLONED_EXTENTS } from '../content/cloner.js';
import type { ReadPiece } from '../content/transfer.js';
import { CairnError } from '../core/errors.js';
import { absentXattr } from './absent-xattr.js';
import type {
  AttributeOperations,
  Awaitable,
  FileOperations,
  FileSystemFigures,
  FolderOperations,
  NameOperations,
  NodeId,
  OpenResult,
  Vfs,
  XattrOperations,
} from './api.js';
import { virtualOf } from './groups/group-entries.js';
import { GroupFolders } from './groups/group-folders.js';
import type { GroupServices } from './groups/group-parts.js';
import { getAttributes, readLink, setAttributes } from './live/live-attributes.js';
import * as files from './live/live-files.js';
import { listFolder, OpenFolders } from './live/live-folders.js';
import * as names from './live/live-names.js';
import { attributesOf, folderOf, inodeOf, liveNode } from './live/live-nodes.js';
import type { LiveParts } from './live/live-parts.js';
import * as ranges from './live/live-ranges.js';
import { getXattr, listXattrs, removeXattr, setXattr } from './live/live-xattrs.js';
import { OpenSnapshotFiles } from './snapshots/open-snapshot-files.js';
import type { SnapshotNodes } from './snapshots/snapshot-nodes.js';
import { isSpaceXattr, type SpaceSource, spaceXattr } from './space-xattrs.js';

/** What a whole tree is made of. */
export interface VfsParts {
  readonly live: LiveParts;
  readonly groups: GroupServices;
  readonly snapshots: SnapshotNodes;
  readonly space: SpaceSource;
  figures(): Awaitable<FileSystemFigures>;
}

const O_ACCMODE = 3;

/** The tree a mount shows: folders above, live trees and snapshots, routed by node. */
export function openVfs(parts: VfsParts): Vfs {
  const above = new GroupFolders(parts.live, parts.groups, parts.snapshots);
  return {
    root: liveNode(ROOT_INO),
    names: nameOperations(parts, above),
    attributes: attributeOperations(parts, above),
    files: fileOperations(parts, above),
    folders: folderOperations(parts, above),
    xattrs: xattrOperations(parts),
    figures: () => parts.figures(),
  };
}

function isLive(node: NodeId): boolean {
  return node.archive === 0;
}

/** @throws {CairnError} `read-only` for a node of a snapshot */
function requireLive(node: NodeId): void {
  if (!isLive(node)) throw new CairnError('read-only', 'A snapshot does not change');
}

function nameOperations({ live, snapshots }: VfsParts, above: GroupFolders): NameOperations {
  return {
    lookup(parent, name) {
      if (!isLive(parent)) return snapshots.lookup(parent, name);
      const found = names.lookup(live, parent, name);
      if (found !== undefined) return found;
      const folder = inodeOf(live, parent);
      return folder.role === ROLE_GROUP ? above.lookup(folder, name) : undefined;
    },
    create(caller, parent, name, mode, umask, flags) {
      requireLive(parent);
      return names.create(live, caller, parent, name, mode, umask, flags);
    },
    temporary(caller, parent, mode, umask, flags) {
      requireLive(parent);
      return names.temporary(live, caller, parent, mode, umask, flags);
    },
    makeNode(caller, parent, name, mode, umask, rdev) {
      requireLive(parent);
      return names.makeNode(live, caller, parent, name, mode, umask, rdev);
    },
    makeFolder(caller, parent, name, mode, umask) {
      requireLive(parent);
      if (names.isAboveTrees(folderOf(live, parent))) return above.make(caller, parent, name);
      return names.makeFolder(live, caller, parent, name, mode, umask);
    },
    symlink(caller, parent, name, target) {
      requireLive(parent);
      return names.symlink(live, caller, parent, name, target);
    },
    link(node, newParent, newName) {
      requireLive(newParent);
      if (!isLive(node)) throw new CairnError('cross-device', 'A hard link cannot lead out of a snapshot');
      return names.link(live, node, newParent, newName);
    },
    unlink(parent, name) {
      requireLive(parent);
      names.unlink(live, parent, name);
    },
    removeFolder(parent, name) {
      requireLive(parent);
      if (names.isAboveTrees(folderOf(live, parent))) return above.remove(parent, name);
      return names.removeFolder(live, parent, name);
    },
    rename(caller, parent, name, newParent, newName, flags) {
      requireLive(parent);
      requireLive(newParent);
      return names.rename(live, caller, parent, name, newParent, newName, flags);
    },
    forget(node) {
      if (isLive(node)) live.orphans.dropUnused(node.position);
    },
  };
}

/** @throws {CairnError} `not-permitted` for what is made up, and above the live trees */
function requireChangeable(live: LiveParts, node: NodeId): void {
  if (virtualOf(node) !== undefined) throw new CairnError('not-permitted', 'This file is the daemon’s');
  if (names.isAboveTrees(inodeOf(live, node))) {
    throw new CairnError('not-permitted', 'Attributes change only inside live trees');
  }
}

function attributeOperations({ live, snapshots }: VfsParts, above: GroupFolders): AttributeOperations {
  return {
    get(node) {
      if (!isLive(node)) return snapshots.get(node);
      return virtualOf(node) === undefined ? getAttributes(live, node) : above.virtualAttributes(node);
    },
    set(caller, node, _handle, changes) {
      requireLive(node);
      requireChangeable(live, node);
      return setAttributes(live, caller, node, changes);
    },
    readLink(node) {
      if (!isLive(node)) return snapshots.readLink(node);
      return virtualOf(node) === undefined ? readLink(live, node) : above.virtualContent(node);
    },
  };
}

function fileOperations({ live, snapshots }: VfsParts, above: GroupFolders): FileOperations {
  const others = new OpenSnapshotFiles();
  const requireLiveHandle = (handle: number) => {
    if (others.has(handle)) throw new CairnError('read-only', 'A snapshot does not change');
  };
  return {
    open(_caller, node, flags) {
      if (isLive(node) && virtualOf(node) === undefined) return files.open(live, node, flags);
      if ((flags & O_ACCMODE) !== 0) throw new CairnError('read-only', 'This file does not change');
      const opened: OpenResult = {
        handle: others.open(node),
        directIo: false,
        keepCache: !isLive(node),
        noFlush: true,
      };
      return opened;
    },
    read(handle, offset, length): Awaitable<readonly ReadPiece[]> {
      const node = others.node(handle);
      if (node === undefined) return files.read(live, handle, offset, length);
      if (!isLive(node)) return snapshots.read(node, offset, length);
      const bytes = above.virtualContent(node).subarray(offset, offset + length);
      return bytes.length === 0 ? [] : [{ kind: 'bytes', length: bytes.length, bytes }];
    },
    write(caller, handle, offset, body, killPrivileges) {
      requireLiveHandle(handle);
      return files.write(live, caller, handle, offset, body, killPrivileges);
    },
    flush(handle) {
      return others.has(handle) ? undefined : files.flush(live, handle);
    },
    sync(handle) {
      return others.has(handle) ? undefined : files.sync(live, handle);
    },
    release(handle) {
      return others.close(handle) ? undefined : files.release(live, handle);
    },
    allocate(caller, handle, offset, length, mode) {
      requireLiveHandle(handle);
      return ranges.allocate(live, caller, handle, offset, length, mode);
    },
    seek(handle, offset, whence) {
      const node = others.node(handle);
      if (node === undefined) return ranges.seek(live, handle, offset, whence);
      if (isLive(node)) throw new CairnError('unsupported', 'This file has no holes');
      return snapshots.seek(node, offset, whence);
    },
    async copyRange(caller, copy) {
      requireLiveHandle(copy.to);
      const source = others.node(copy.from);
      if (source === undefined) return ranges.copyRange(live, caller, copy);
      if (isLive(source)) throw new CairnError('unsupported', 'This file is in no chunks');
      const pieces = await snapshots.pieces(source, copy.fromOffset, copy.length, CLONED_EXTENTS);
      return ranges.placePieces(live, caller, copy, pieces);
    },
  };
}

function folderOperations({ live, groups, snapshots }: VfsParts, above: GroupFolders): FolderOperations {
  const open = new OpenFolders();
  const groupOf = ({ archive }: NodeId) =>
    attributesOf(live, inodeOf(live, liveNode(groups.folderOfArchive(archive) ?? ROOT_INO)));
  return {
    open(node) {
      if (isLive(node)) folderOf(live, node);
      return open.open(node);
    },
    read(handle, cookie, limit) {
      const node = open.node(handle);
      if (!isLive(node)) return snapshots.list(node, cookie, limit, () => groupOf(node));
      const folder = folderOf(live, node);
      if (folder.role === ROLE_GROUP) return above.list(folder, cookie, limit);
      return listFolder(live, node, cookie, limit);
    },
    reference() {
      // Whoever has to know counts them (count-references.ts).
    },
    async sync(handle) {
      if (isLive(open.node(handle))) await live.durability.barrier();
    },
    release(handle) {
      open.close(handle);
    },
  };
}

function xattrOperations({ live, snapshots, space }: VfsParts): XattrOperations {
  const requireKept = (name: Uint8Array) => {
    if (isSpaceXattr(name)) throw new CairnError('unsupported', 'Attributes user.cairn.* are told, not kept');
  };
  const requireOrdinary = (node: NodeId) => {
    requireLive(node);
    requireChangeable(live, node);
  };
  return {
    get(node, name) {
      if (isSpaceXattr(name) && virtualOf(node) === undefined)
        return spaceXattr({ live, snapshots, space }, node, name);
      if (!isLive(node)) return snapshots.xattr(node, name);
      if (virtualOf(node) !== undefined) throw absentXattr(name);
      return getXattr(live, node, name);
    },
    list(node) {
      if (!isLive(node)) return snapshots.xattrNames(node);
      return virtualOf(node) === undefined ? listXattrs(live, node) : [];
    },
    set(_caller, node, name, value, flags, killSetgid) {
      requireOrdinary(node);
      requireKept(name);
      setXattr(live, node, name, value, flags, killSetgid);
    },
    remove(_caller, node, name) {
      requireOrdinary(node);
      requireKept(name);
      removeXattr(live, node, name);
    },
  };
}
