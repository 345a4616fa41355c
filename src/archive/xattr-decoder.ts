import { CairnError } from '../core/errors.js';
import type { DefaultAcl, NamedPermissions } from './acl.js';
import type { ByteWindow } from './byte-source.js';
import { copyOf, readU32, readU64 } from './bytes.js';
import { type ArchiveEntry, itemAt } from './entry-decoder.js';
import { ITEM_HEADER_BYTES, Item, type ItemType, MAX_XATTR_NAME_BYTES, MAX_XATTR_VALUE_BYTES } from './items.js';
import { joinXattrs, type Xattr } from './xattrs.js';

const MAX_PERMISSIONS = 7;
const MAX_ID = 0xffff_ffff;
const ALL_ONES = 0xffff_ffff;

/** What was read of an entry's attribute items. */
interface Collected {
  readonly plain: Xattr[];
  readonly users: NamedPermissions[];
  readonly groups: NamedPermissions[];
  groupObject: number | undefined;
  defaults: Omit<DefaultAcl, 'users' | 'groups'> | undefined;
  readonly defaultUsers: NamedPermissions[];
  readonly defaultGroups: NamedPermissions[];
  capabilities: Uint8Array | undefined;
}

/**
 * An entry's extended attributes as Linux has them, ACLs and capabilities among them. To be called within
 * `ByteWindow.read`.
 * @throws {CairnError} `corrupt`
 */
export function parseXattrs(window: ByteWindow, entry: ArchiveEntry): Xattr[] {
  const collected: Collected = {
    plain: [],
    users: [],
    groups: [],
    groupObject: undefined,
    defaults: undefined,
    defaultUsers: [],
    defaultGroups: [],
    capabilities: undefined,
  };
  // All bytes at once, so that they are not parsed again and again while the window grows.
  window.at(entry.position, entry.bodyPosition - entry.position);
  let position = entry.position + itemAt(window, entry.position).length;
  while (position < entry.bodyPosition) {
    const { type, length } = itemAt(window, position);
    const contentBytes = length - ITEM_HEADER_BYTES;
    if (contentBytes > MAX_XATTR_NAME_BYTES + 1 + MAX_XATTR_VALUE_BYTES) throw malformed(position);
    const at = window.at(position + ITEM_HEADER_BYTES, contentBytes);
    collect(collected, type, window.bytes.subarray(at, at + contentBytes), position);
    position += length;
  }
  return joined(entry, collected);
}

function joined(entry: ArchiveEntry, collected: Collected): Xattr[] {
  const { plain, users, groups, groupObject, defaults, defaultUsers, defaultGroups, capabilities } = collected;
  if (defaults === undefined && defaultUsers.length + defaultGroups.length > 0) throw malformed(entry.position);
  const xattrs = joinXattrs(entry.mode, {
    plain,
    access: { users, groups, groupObject },
    defaults: defaults && { ...defaults, users: defaultUsers, groups: defaultGroups },
    capabilities,
  });
  const names = new Set(xattrs.map(({ name }) => Buffer.from(name).toString('latin1')));
  if (names.size !== xattrs.length) throw malformed(entry.position);
  return xattrs;
}

function collect(collected: Collected, type: ItemType, content: Uint8Array, position: number): void {
  switch (type) {
    case Item.xattr:
      collected.plain.push(readXattr(content, position));
      break;
    case Item.aclUser:
      collected.users.push(readNamed(content, position));
      break;
    case Item.aclGroup:
      collected.groups.push(readNamed(content, position));
      break;
    case Item.aclGroupObject:
      if (content.length !== 8 || collected.groupObject !== undefined) throw malformed(position);
      collected.groupObject = readPermissions(content, 0, position);
      break;
    case Item.aclDefault:
      if (content.length !== 32 || collected.defaults !== undefined) throw malformed(position);
      collected.defaults = readDefaults(content, position);
      break;
    case Item.aclDefaultUser:
      collected.defaultUsers.push(readNamed(content, position));
      break;
    case Item.aclDefaultGroup:
      collected.defaultGroups.push(readNamed(content, position));
      break;
    case Item.fileCapabilities:
      if (collected.capabilities !== undefined) throw malformed(position);
      collected.capabilities = copyOf(content, 0, content.length);
      break;
    default:
    // QUOTA_PROJID is no extended attribute.
  }
}

function readXattr(content: Uint8Array, position: number): Xattr {
  const end = content.indexOf(0);
  if (end < 1 || end > MAX_XATTR_NAME_BYTES) throw malformed(position);
  return { name: copyOf(content, 0, end), value: copyOf(content, end + 1, content.length) };
}

function readNamed(content: Uint8Array, position: number): NamedPermissions {
  if (content.length !== 16) throw malformed(position);
  const id = readU64(content, 0);
  if (id > MAX_ID) throw malformed(position);
  return { id, permissions: readPermissions(content, 8, position) };
}

function readDefaults(content: Uint8Array, position: number): Omit<DefaultAcl, 'users' | 'groups'> {
  const noMask = readU32(content, 24) === ALL_ONES && readU32(content, 28) === ALL_ONES;
  return {
    userObject: readPermissions(content, 0, position),
    groupObject: readPermissions(content, 8, position),
    other: readPermissions(content, 16, position),
    mask: noMask ? undefined : readPermissions(content, 24, position),
  };
}

function readPermissions(content: Uint8Array, at: number, position: number): number {
  const permissions = readU64(content, at);
  if (permissions > MAX_PERMISSIONS) throw malformed(position);
  return permissions;
}

function malformed(position: number): CairnError {
  return new CairnError('corrupt', `Archive has malformed attributes at byte ${position}`);
}
