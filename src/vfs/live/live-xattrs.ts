import { isFolder } from '../../catalog/inode.js';
import { CairnError } from '../../core/errors.js';
import { absentXattr } from '../absent-xattr.js';
import { ACL_ACCESS, ACL_DEFAULT, isAclName, modeOfAcl } from '../acl.js';
import type { NodeId } from '../api.js';
import { isSymlink, S_ISGID } from '../file-mode.js';
import { CAPABILITY } from './live-files.js';
import { inodeOf, timeFields } from './live-nodes.js';
import type { LiveParts } from './live-parts.js';

const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;
const NAME_MAX_BYTES = 255;
/** XATTR_SIZE_MAX of linux/limits.h. */
const VALUE_MAX_BYTES = 65_536;

export function getXattr(parts: LiveParts, node: NodeId, name: Uint8Array): Uint8Array {
  const inode = inodeOf(parts, node);
  const value = parts.tree.xattrs.find(inode.ino, name);
  if (value !== undefined) return value;
  requireNamespace(name);
  throw absentXattr(name);
}

const NAMESPACES = ['user.', 'trusted.', 'security.'].map((prefix) => Buffer.from(prefix));

/** @throws {CairnError} `unsupported` for a name in no namespace that is kept (xattr(7)), `invalid` for that of a namespace alone */
function requireNamespace(name: Uint8Array): void {
  if (isAclName(name)) return;
  const namespace = NAMESPACES.find((prefix) => prefix.equals(name.subarray(0, prefix.length)));
  if (namespace === undefined)
    throw new CairnError('unsupported', 'Extended attributes of this namespace are not kept');
  if (namespace.length === name.length) throw new CairnError('invalid', 'An extended attribute has no name');
}

export function listXattrs(parts: LiveParts, node: NodeId): readonly Uint8Array[] {
  return parts.tree.xattrs.names(inodeOf(parts, node).ino);
}

export function setXattr(
  parts: LiveParts,
  node: NodeId,
  name: Uint8Array,
  value: Uint8Array,
  flags: number,
  killSetgid: boolean,
): void {
  const inode = inodeOf(parts, node);
  if (inode.group === 0) throw new CairnError('not-permitted', 'Attributes change only inside live trees');
  requireNamespace(name);
  if (name.length > NAME_MAX_BYTES) throw new CairnError('out-of-range', 'Name of an extended attribute is too long');
  if (value.length > VALUE_MAX_BYTES) throw new CairnError('out-of-range', 'Value is larger than 64 KiB');
  const present = parts.tree.xattrs.find(inode.ino, name) !== undefined;
  if (present && flags & XATTR_CREATE) throw new CairnError('exists', 'Extended attribute exists');
  if (!present && flags & XATTR_REPLACE) throw new CairnError('no-attribute', 'No such extended attribute');
  if (isAclName(name)) setAcl(parts, node, name, value, killSetgid);
  else parts.log.make({ kind: 'set-xattr', ino: inode.ino, name, value, ...timeFields(parts.clock.now()) });
  if (CAPABILITY.equals(name)) parts.openFiles.capabilityGiven(inode.ino);
}

/** Stores an ACL; an access ACL sets the mode's permission bits, and one that says no more than they do is not kept. */
function setAcl(parts: LiveParts, node: NodeId, name: Uint8Array, value: Uint8Array, killSetgid: boolean): void {
  const inode = inodeOf(parts, node);
  const { ino } = inode;
  if (isSymlink(inode.mode)) throw new CairnError('unsupported', 'A symbolic link has no ACL');
  const now = parts.clock.now();
  if (ACL_DEFAULT.equals(name)) {
    if (!isFolder(inode.mode)) throw new CairnError('access-denied', 'Only a folder has a default ACL');
    modeOfAcl(value, inode.mode);
    parts.log.make({ kind: 'set-xattr', ino, name, value, ...timeFields(now) });
    return;
  }
  const { mode, minimal } = modeOfAcl(value, inode.mode);
  const kept = killSetgid ? mode & ~S_ISGID : mode;
  const fields = { mode: kept, ctimeSec: now.seconds, ctimeNsec: now.nanoseconds };
  const keepAcl = () => parts.log.make({ kind: 'set-xattr', ino, name: ACL_ACCESS, value, ...timeFields(now) });
  const setMode = () => parts.log.make({ kind: 'attributes', ino, fields });
  // In this order, so that a crash in between never leaves the owning group with the mask's permissions.
  if (!minimal) keepAcl();
  setMode();
  if (minimal && parts.tree.xattrs.find(ino, ACL_ACCESS) !== undefined) {
    parts.log.make({ kind: 'remove-xattr', ino, name: ACL_ACCESS, ...timeFields(now) });
  }
}

export function removeXattr(parts: LiveParts, node: NodeId, name: Uint8Array): void {
  const inode = inodeOf(parts, node);
  requireNamespace(name);
  if (inode.group === 0) throw new CairnError('not-permitted', 'Attributes change only inside live trees');
  if (parts.tree.xattrs.find(inode.ino, name) === undefined) {
    if (isAclName(name)) return;
    throw new CairnError('no-attribute', 'No such extended attribute');
  }
  parts.log.make({ kind: 'remove-xattr', ino: inode.ino, name, ...timeFields(parts.clock.now()) });
}
