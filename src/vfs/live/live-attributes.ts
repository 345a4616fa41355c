import type { AttributesChange } from '../../catalog/change.js';
import { type Inode, isFolder } from '../../catalog/inode.js';
import { CairnError } from '../../core/errors.js';
import type { Timestamp } from '../../core/time.js';
import { ACL_ACCESS, aclAfterChmod } from '../acl.js';
import type { AttributeChanges, Attributes, Awaitable, Caller, NodeId } from '../api.js';
import { isRegular, isSymlink, S_IFMT, withoutPrivileges } from '../file-mode.js';
import { MAX_FILE_BYTES, removeCapability } from './live-files.js';
import { attributesOf, inodeOf, timeFields } from './live-nodes.js';
import type { LiveParts } from './live-parts.js';

type Fields = { -readonly [K in keyof AttributesChange['fields']]: AttributesChange['fields'][K] };

export function getAttributes(parts: LiveParts, node: NodeId): Attributes {
  return attributesOf(parts, inodeOf(parts, node));
}

export function setAttributes(
  parts: LiveParts,
  caller: Caller,
  node: NodeId,
  changes: AttributeChanges,
): Awaitable<Attributes> {
  const inode = inodeOf(parts, node);
  if (inode.group === 0) throw new CairnError('not-permitted', 'Attributes change only inside live trees');
  if (changes.size === undefined) return setRest(parts, caller, node, changes);
  const truncated = truncate(parts, inode, changes.size);
  return truncated === undefined
    ? setRest(parts, caller, node, changes)
    : truncated.then(() => setRest(parts, caller, node, changes));
}

function truncate(parts: LiveParts, inode: Readonly<Inode>, size: number): void | Promise<void> {
  if (isFolder(inode.mode)) throw new CairnError('is-a-directory', 'A folder has no size to set');
  if (!isRegular(inode.mode)) throw new CairnError('invalid', 'Only regular files have a size to set');
  if (size > MAX_FILE_BYTES) throw new CairnError('too-large', 'File would be larger than 64 TiB');
  const content = parts.contents.open(inode.ino);
  try {
    removeCapability(parts, inode.ino);
    const truncated = content.truncate(size, parts.clock.now());
    if (truncated !== undefined) return truncated.finally(() => parts.contents.close(inode.ino));
  } catch (error) {
    void parts.contents.close(inode.ino);
    throw error;
  }
  return parts.contents.close(inode.ino);
}

function setRest(parts: LiveParts, caller: Caller, node: NodeId, changes: AttributeChanges): Attributes {
  const inode = inodeOf(parts, node);
  const now = parts.clock.now();
  const fields: Fields = {};
  setOwner(parts, caller, inode, changes, fields);
  setMode(inode, changes, fields);
  setTimes(parts, inode.ino, changes, now, fields);
  if (Object.keys(fields).length > 0) {
    fields.ctimeSec = now.seconds;
    fields.ctimeNsec = now.nanoseconds;
    parts.log.make({ kind: 'attributes', ino: inode.ino, fields });
    if (changes.mode !== undefined) followMode(parts, inode.ino, fields.mode ?? inode.mode, now);
  }
  return attributesOf(parts, inodeOf(parts, node));
}

function setOwner(
  parts: LiveParts,
  caller: Caller,
  inode: Readonly<Inode>,
  changes: AttributeChanges,
  fields: Fields,
): void {
  if (changes.uid !== undefined) fields.uid = changes.uid;
  if (changes.gid !== undefined) fields.gid = changes.gid;
  const owned = changes.uid !== undefined || changes.gid !== undefined;
  if (isFolder(inode.mode) || (!owned && changes.killPrivileges !== true)) return;
  // Root keeps what the kernel leaves to those with CAP_FSETID; a caller with that right alone is not told apart.
  const keepsSetgid = () => caller.uid === 0 || parts.isInGroup(caller, inode.gid);
  const mode = withoutPrivileges(inode.mode, keepsSetgid);
  if (mode !== inode.mode) fields.mode = mode;
  if (owned) removeCapability(parts, inode.ino);
}

function setMode(inode: Readonly<Inode>, changes: AttributeChanges, fields: Fields): void {
  if (changes.mode === undefined) return;
  fields.mode = (inode.mode & S_IFMT) | (changes.mode & ~S_IFMT & 0o7777);
}

function setTimes(parts: LiveParts, ino: number, changes: AttributeChanges, now: Timestamp, fields: Fields): void {
  const resolve = (time: NonNullable<AttributeChanges['atime']>) =>
    time === 'now' ? { sec: now.seconds, nsec: now.nanoseconds } : time;
  if (changes.atime !== undefined) {
    const { sec, nsec } = resolve(changes.atime);
    fields.atimeSec = sec;
    fields.atimeNsec = nsec;
  }
  if (changes.mtime !== undefined) {
    const { sec, nsec } = resolve(changes.mtime);
    fields.mtimeSec = sec;
    fields.mtimeNsec = nsec;
    parts.contents.get(ino)?.timesSet();
  }
}

/** chmod(2) moves the access ACL's owner, mask and other entries along. */
function followMode(parts: LiveParts, ino: number, mode: number, now: Timestamp): void {
  const acl = parts.tree.xattrs.find(ino, ACL_ACCESS);
  if (acl === undefined) return;
  const value = aclAfterChmod(acl, mode);
  parts.log.make({ kind: 'set-xattr', ino, name: ACL_ACCESS, value, ...timeFields(now) });
}

export function readLink(parts: LiveParts, node: NodeId): Uint8Array {
  const inode = inodeOf(parts, node);
  if (!isSymlink(inode.mode) || inode.target === null) throw new CairnError('invalid', 'Not a symbolic link');
  return inode.target;
}
