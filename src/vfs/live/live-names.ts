import type { Xattr } from '../../catalog/change.js';
import {
  CHUNKER_DYNAMIC,
  CHUNKER_FIXED,
  type Inode,
  isFolder,
  ROLE_GROUP,
  ROLE_NAMESPACE,
  ROLE_NAMESPACES,
  ROLE_ORDINARY,
  ROLE_ROOT,
  ROLE_TYPE,
} from '../../catalog/inode.js';
import { chunkerFor } from '../../chunk/chunker-choice.js';
import { CairnError } from '../../core/errors.js';
import { ACL_ACCESS, ACL_DEFAULT, inheritAcl } from '../acl.js';
import type { Attributes, Awaitable, Caller, NodeId, OpenResult } from '../api.js';
import { S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISGID } from '../file-mode.js';
import { openInode } from './live-files.js';
import {
  attributesOf,
  folderOf,
  inodeOf,
  liveNode,
  requireEntry,
  requireFree,
  requireName,
  timeFields,
  writableFolder,
} from './live-nodes.js';
import type { LiveParts } from './live-parts.js';

/** Longest target of a symbolic link, bytes. */
const TARGET_MAX_BYTES = 4095;
/** Most names of one inode (as ext4's). */
const LINK_MAX = 65_000;
const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;
const RENAME_WHITEOUT = 4;
/** What stands where a whiteout was left: a character device 0, 0 without permissions (renameat2(2)). */
const WHITEOUT_MODE = S_IFCHR;

export function lookup(parts: LiveParts, parent: NodeId, name: Uint8Array): Attributes | undefined {
  const folder = folderOf(parts, parent);
  requireName(name);
  const ino = parts.tree.names.lookup(folder.ino, name);
  const inode = ino === undefined ? undefined : parts.tree.inodes.find(ino);
  return inode === undefined ? undefined : attributesOf(parts, inode);
}

interface NewInode {
  readonly mode: number;
  readonly umask: number;
  readonly rdev?: number;
  readonly target?: Uint8Array;
}

function makeInode(
  parts: LiveParts,
  caller: Caller,
  parent: Readonly<Inode>,
  name: Uint8Array,
  wanted: NewInode,
): Readonly<Inode> {
  const { mode, xattrs } = inherited(parts, parent, wanted);
  const inode = newInode(parts, caller, parent, name, { ...wanted, mode });
  parts.log.make({ kind: 'create', parent: name.length === 0 ? 0 : parent.ino, name, inode, xattrs });
  return inode;
}

/** An inode that nothing names yet, with the mode as it is given. */
function newInode(
  parts: LiveParts,
  caller: Caller,
  parent: Readonly<Inode>,
  name: Uint8Array,
  { mode, rdev, target }: Omit<NewInode, 'umask'>,
): Readonly<Inode> {
  const { seconds, nanoseconds } = parts.clock.now();
  return {
    ino: parts.tree.inodes.allocate(),
    mode,
    nlink: isFolder(mode) ? 2 : 1,
    uid: caller.uid,
    gid: parent.mode & S_ISGID ? parent.gid : caller.gid,
    rdev: rdev ?? 0,
    size: target?.length ?? 0,
    allocated: 0,
    atimeSec: seconds,
    atimeNsec: nanoseconds,
    mtimeSec: seconds,
    mtimeNsec: nanoseconds,
    ctimeSec: seconds,
    ctimeNsec: nanoseconds,
    btimeSec: seconds,
    btimeNsec: nanoseconds,
    storage: 0,
    chunker: chunkerFor(name) === 'fixed' ? CHUNKER_FIXED : CHUNKER_DYNAMIC,
    version: 0,
    role: ROLE_ORDINARY,
    group: parent.group,
    target: target ?? null,
  };
}

/** Permission bits and ACLs of a new inode: from the folder's default ACL where it has one, else by umask. */
function inherited(parts: LiveParts, parent: Readonly<Inode>, wanted: NewInode): { mode: number; xattrs: Xattr[] } {
  const type = wanted.mode & S_IFMT;
  const setgid = type === S_IFDIR ? parent.mode & S_ISGID : 0;
  if (type === S_IFLNK) return { mode: wanted.mode, xattrs: [] };
  const defaultAcl = parts.tree.xattrs.find(parent.ino, ACL_DEFAULT);
  if (defaultAcl === undefined) return { mode: (wanted.mode & ~(wanted.umask & 0o777)) | setgid, xattrs: [] };
  const { mode, access } = inheritAcl(defaultAcl, wanted.mode);
  const xattrs: Xattr[] = [];
  if (access !== undefined) xattrs.push({ name: ACL_ACCESS, value: access });
  if (type === S_IFDIR) xattrs.push({ name: ACL_DEFAULT, value: defaultAcl });
  return { mode: mode | setgid, xattrs };
}

export function create(
  parts: LiveParts,
  caller: Caller,
  parent: NodeId,
  name: Uint8Array,
  mode: number,
  umask: number,
  flags: number,
): { attributes: Attributes; open: OpenResult } {
  const folder = writableFolder(parts, parent);
  requireFree(parts, folder.ino, name);
  const inode = makeInode(parts, caller, folder, name, { mode: (mode & ~S_IFMT) | S_IFREG, umask });
  return { attributes: attributesOf(parts, inode), open: openInode(parts, inode, flags, true) };
}

export function temporary(
  parts: LiveParts,
  caller: Caller,
  parent: NodeId,
  mode: number,
  umask: number,
  flags: number,
): { attributes: Attributes; open: OpenResult } {
  const folder = writableFolder(parts, parent);
  const inode = makeInode(parts, caller, folder, new Uint8Array(0), { mode: (mode & ~S_IFMT) | S_IFREG, umask });
  parts.orphans.add(inode.ino);
  const made = inodeOf(parts, liveNode(inode.ino));
  return { attributes: attributesOf(parts, made), open: openInode(parts, made, flags, true) };
}

export function makeNode(
  parts: LiveParts,
  caller: Caller,
  parent: NodeId,
  name: Uint8Array,
  mode: number,
  umask: number,
  rdev: number,
): Attributes {
  const folder = writableFolder(parts, parent);
  requireFree(parts, folder.ino, name);
  const type = mode & S_IFMT;
  const wanted = { mode: type === 0 ? mode | S_IFREG : mode, umask, rdev };
  return attributesOf(parts, makeInode(parts, caller, folder, name, wanted));
}

export function makeFolder(
  parts: LiveParts,
  caller: Caller,
  parent: NodeId,
  name: Uint8Array,
  mode: number,
  umask: number,
): Attributes {
  const folder = writableFolder(parts, parent);
  requireFree(parts, folder.ino, name);
  const inode = makeInode(parts, caller, folder, name, { mode: (mode & ~S_IFMT) | S_IFDIR, umask });
  return attributesOf(parts, inode);
}

export function symlink(
  parts: LiveParts,
  caller: Caller,
  parent: NodeId,
  name: Uint8Array,
  target: Uint8Array,
): Attributes {
  const folder = writableFolder(parts, parent);
  requireFree(parts, folder.ino, name);
  if (target.length === 0) throw new CairnError('not-found', 'A symbolic link needs a target');
  if (target.length > TARGET_MAX_BYTES) {
    throw new CairnError('name-too-long', `Link target of ${target.length} bytes; ${TARGET_MAX_BYTES} is most`);
  }
  const wanted = { mode: S_IFLNK | 0o777, umask: 0, target: Uint8Array.from(target) };
  return attributesOf(parts, makeInode(parts, caller, folder, name, wanted));
}

export function link(parts: LiveParts, node: NodeId, newParent: NodeId, newName: Uint8Array): Attributes {
  const inode = inodeOf(parts, node);
  const folder = writableFolder(parts, newParent);
  if (isFolder(inode.mode)) throw new CairnError('not-permitted', 'A folder cannot have a second name');
  if (inode.group !== folder.group) throw new CairnError('cross-device', 'A hard link cannot lead into another group');
  if (inode.nlink >= LINK_MAX) throw new CairnError('too-many-links', `Inode ${inode.ino} has ${inode.nlink} names`);
  requireFree(parts, folder.ino, newName);
  const change = { kind: 'link', ino: inode.ino, parent: folder.ino, name: newName } as const;
  parts.log.make({ ...change, ...timeFields(parts.clock.now()) });
  parts.orphans.rescue(inode.ino);
  return attributesOf(parts, inodeOf(parts, node));
}

export function unlink(parts: LiveParts, parent: NodeId, name: Uint8Array): void {
  const folder = writableFolder(parts, parent);
  const inode = requireEntry(parts, folder.ino, name);
  if (isFolder(inode.mode)) throw new CairnError('is-a-directory', 'A folder is removed by rmdir');
  parts.log.make({ kind: 'unlink', parent: folder.ino, name, ...timeFields(parts.clock.now()) });
  noteLostName(parts, inode);
}

export function removeFolder(parts: LiveParts, parent: NodeId, name: Uint8Array): void {
  const folder = writableFolder(parts, parent);
  const inode = requireEntry(parts, folder.ino, name);
  requireRemovableFolder(parts, inode);
  parts.log.make({ kind: 'unlink', parent: folder.ino, name, ...timeFields(parts.clock.now()) });
  noteLostName(parts, inode);
}

function requireRemovableFolder(parts: LiveParts, inode: Readonly<Inode>): void {
  if (!isFolder(inode.mode)) throw new CairnError('not-a-directory', 'Not a folder');
  if (parts.tree.names.hasEntries(inode.ino)) throw new CairnError('not-empty', 'Folder is not empty');
}

function noteLostName(parts: LiveParts, inode: Readonly<Inode>): void {
  const names = isFolder(inode.mode) ? 0 : (parts.tree.inodes.find(inode.ino)?.nlink ?? 0);
  if (names === 0) parts.orphans.add(inode.ino);
}

export function rename(
  parts: LiveParts,
  caller: Caller,
  parent: NodeId,
  name: Uint8Array,
  newParent: NodeId,
  newName: Uint8Array,
  flags: number,
): Awaitable<void> {
  requireRenameFlags(flags);
  const from = writableFolder(parts, parent);
  const to = writableFolder(parts, newParent);
  if (from.group !== to.group) throw new CairnError('cross-device', 'A rename cannot lead into another group');
  requireName(newName);
  const inode = requireEntry(parts, from.ino, name);
  const targetIno = parts.tree.names.lookup(to.ino, newName);
  const target = targetIno === undefined ? undefined : parts.tree.inodes.find(targetIno);
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  if (exchange && target === undefined) throw new CairnError('not-found', 'Nothing to exchange with');
  if (target !== undefined && flags & RENAME_NOREPLACE) throw new CairnError('exists', 'The new name is taken');
  if (target?.ino === inode.ino) return;
  requireNoLoop(parts, inode, to);
  if (exchange && target !== undefined) requireNoLoop(parts, target, from);
  if (target !== undefined && !exchange) requireReplaceable(parts, inode, target);
  const whiteout = flags & RENAME_WHITEOUT ? newInode(parts, caller, from, name, { mode: WHITEOUT_MODE }) : undefined;
  parts.log.make({
    kind: 'rename',
    parent: from.ino,
    name,
    newParent: to.ino,
    newName,
    exchange,
    ...(whiteout === undefined ? {} : { whiteout }),
    ...timeFields(parts.clock.now()),
  });
  if (whiteout !== undefined) inheritAccess(parts, from, whiteout);
  if (target !== undefined && !exchange) noteLostName(parts, target);
}

/** The ACL that any new inode of the folder gets; the record of a rename has no room for it. */
function inheritAccess(parts: LiveParts, folder: Readonly<Inode>, { ino, mode }: Readonly<Inode>): void {
  for (const { name, value } of inherited(parts, folder, { mode, umask: 0 }).xattrs) {
    parts.log.make({ kind: 'set-xattr', ino, name, value, ...timeFields(parts.clock.now()) });
  }
}

/** @throws {CairnError} `invalid` for flags that are not known or contradict each other */
function requireRenameFlags(flags: number): void {
  const known = (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) === 0;
  const contradiction = flags & RENAME_EXCHANGE && flags & (RENAME_NOREPLACE | RENAME_WHITEOUT);
  if (!known || contradiction) throw new CairnError('invalid', `Rename flags ${flags}`);
}

function requireReplaceable(parts: LiveParts, inode: Readonly<Inode>, target: Readonly<Inode>): void {
  if (isFolder(inode.mode)) requireRemovableFolder(parts, target);
  else if (isFolder(target.mode)) throw new CairnError('is-a-directory', 'A file cannot replace a folder');
}

/** A folder must not move into itself or below. */
function requireNoLoop(parts: LiveParts, moved: Readonly<Inode>, into: Readonly<Inode>): void {
  if (!isFolder(moved.mode)) return;
  for (let ino: number | undefined = into.ino; ino !== undefined && ino !== 0; ino = parts.tree.names.parentOf(ino)) {
    if (ino === moved.ino) throw new CairnError('invalid', 'A folder cannot move into itself');
  }
}

const FIXED_ROLES: readonly number[] = [ROLE_ROOT, ROLE_TYPE, ROLE_GROUP, ROLE_NAMESPACES, ROLE_NAMESPACE];

/** Whether the folder is above the live trees, where only groups, namespaces and snapshots are made. */
export function isAboveTrees(inode: Readonly<Inode>): boolean {
  return FIXED_ROLES.includes(inode.role);
}
