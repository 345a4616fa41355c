import { type Inode, isFolder, ROLE_CURRENT, ROLE_ORDINARY } from '../../catalog/inode.js';
import { timesAfterWrite } from '../../content/write-times.js';
import { CairnError } from '../../core/errors.js';
import type { Timestamp } from '../../core/time.js';
import type { Attributes, NodeId } from '../api.js';
import type { LiveParts } from './live-parts.js';

/** Longest name, bytes (NAME_MAX). */
const NAME_MAX_BYTES = 255;
const BLOCK_BYTES = 512;

/** A live inode's node id. */
export function liveNode(ino: number): NodeId {
  return { archive: 0, position: ino };
}

/** @throws {CairnError} `stale` where the inode is gone */
export function inodeOf(parts: LiveParts, node: NodeId): Readonly<Inode> {
  const inode = parts.tree.inodes.find(node.position);
  if (inode === undefined) throw new CairnError('stale', `Inode ${node.position} is gone`);
  return inode;
}

/** What stat(2) shows: the catalog's row, with size and mtime of bytes that are still in a draft. */
export function attributesOf(parts: LiveParts, inode: Readonly<Inode>): Attributes {
  const overlay = parts.contents.overlay(inode.ino);
  const size = overlay?.size ?? inode.size;
  // What is overwritten in a hole is allocated, what is overwritten elsewhere is so already.
  const allocated = Math.min(inode.allocated + (overlay?.dirtyBytes ?? 0), Math.max(inode.allocated, size));
  return {
    node: liveNode(inode.ino),
    mode: inode.mode,
    nlink: inode.nlink,
    uid: inode.uid,
    gid: inode.gid,
    rdev: inode.rdev,
    size,
    blocks: Math.ceil(allocated / BLOCK_BYTES),
    atimeSec: inode.atimeSec,
    atimeNsec: inode.atimeNsec,
    btimeSec: inode.btimeSec,
    btimeNsec: inode.btimeNsec,
    ...timesAfterWrite(inode, overlay?.mtime),
  };
}

/** The folder's inode, proved to be one. */
export function folderOf(parts: LiveParts, node: NodeId): Readonly<Inode> {
  const inode = inodeOf(parts, node);
  if (!isFolder(inode.mode)) throw new CairnError('not-a-directory', `Inode ${inode.ino} is not a folder`);
  return inode;
}

/**
 * The folder, proved to be one whose names may change: inside a live tree and not removed.
 * @throws {CairnError} `not-permitted` outside live trees, `not-found` in a removed folder
 */
export function writableFolder(parts: LiveParts, node: NodeId): Readonly<Inode> {
  const folder = folderOf(parts, node);
  if (folder.role !== ROLE_ORDINARY && folder.role !== ROLE_CURRENT) {
    throw new CairnError('not-permitted', 'Names change only inside the current/ folder of a group');
  }
  if (folder.nlink === 0) throw new CairnError('not-found', `Folder ${folder.ino} was removed`);
  return folder;
}

/** @throws {CairnError} `name-too-long`, `exists` */
export function requireFree(parts: LiveParts, parent: number, name: Uint8Array): void {
  requireName(name);
  if (parts.tree.names.lookup(parent, name) !== undefined) throw new CairnError('exists', 'The name is taken');
}

/** @throws {CairnError} `name-too-long` */
export function requireName(name: Uint8Array): void {
  if (name.length > NAME_MAX_BYTES) throw new CairnError('name-too-long', `Name of ${name.length} bytes; 255 is most`);
}

/** @throws {CairnError} `not-found` */
export function requireEntry(parts: LiveParts, parent: number, name: Uint8Array): Readonly<Inode> {
  const ino = parts.tree.names.lookup(parent, name);
  const inode = ino === undefined ? undefined : parts.tree.inodes.find(ino);
  if (inode === undefined) throw new CairnError('not-found', 'No such name');
  return inode;
}

/** A change's time fields. */
export function timeFields(at: Timestamp): { timeSec: number; timeNsec: number } {
  return { timeSec: at.seconds, timeNsec: at.nanoseconds };
}
