import { readU32, writeU32 } from './bytes.js';

/** One line of an ACL: permissions of a named user or group. */
export interface NamedPermissions {
  readonly id: number;
  /** Read 4, write 2, execute 1. */
  readonly permissions: number;
}

/**
 * An access ACL as an archive holds it: owner, group or mask, and others are the mode's bits (pbs-format §6.1).
 * With `groupObject` the group bits of the mode are the mask and this is what the owning group may do.
 */
export interface AccessAcl {
  readonly users: readonly NamedPermissions[];
  readonly groups: readonly NamedPermissions[];
  readonly groupObject: number | undefined;
}

/** A default ACL as an archive holds it. */
export interface DefaultAcl {
  readonly userObject: number;
  readonly groupObject: number;
  readonly other: number;
  readonly mask: number | undefined;
  readonly users: readonly NamedPermissions[];
  readonly groups: readonly NamedPermissions[];
}

/** Linux's form (`posix_acl_xattr`): u32 version, then entries of u16 tag, u16 permissions, u32 id. */
const VERSION = 2;
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;
const UNDEFINED_ID = 0xffff_ffff;
const TAG_USER_OBJECT = 1;
const TAG_USER = 2;
const TAG_GROUP_OBJECT = 4;
const TAG_GROUP = 8;
const TAG_MASK = 0x10;
const TAG_OTHER = 0x20;
const MAX_PERMISSIONS = 7;

/** What a value of `system.posix_acl_access` or `system.posix_acl_default` says. */
interface Acl {
  readonly userObject: number;
  readonly groupObject: number;
  readonly other: number;
  readonly mask: number | undefined;
  readonly users: readonly NamedPermissions[];
  readonly groups: readonly NamedPermissions[];
}

/**
 * What an archive can hold of a value of `system.posix_acl_access`; undefined where the value is no ACL.
 * Whether nothing is lost, `accessAclXattr` with the same mode tells.
 */
export function accessAclOf(value: Uint8Array): AccessAcl | undefined {
  const acl = parse(value);
  if (acl === undefined) return undefined;
  return { users: acl.users, groups: acl.groups, groupObject: acl.mask === undefined ? undefined : acl.groupObject };
}

/** What an archive can hold of a value of `system.posix_acl_default`; undefined where the value is no ACL. */
export function defaultAclOf(value: Uint8Array): DefaultAcl | undefined {
  return parse(value);
}

/** The value of `system.posix_acl_access` of an entry with this mode, or undefined where the mode says it all. */
export function accessAclXattr(acl: AccessAcl, mode: number): Buffer | undefined {
  const groupBits = (mode >>> 3) & MAX_PERMISSIONS;
  const extended = acl.groupObject !== undefined || acl.users.length + acl.groups.length > 0;
  if (!extended) return undefined;
  return format({
    userObject: (mode >>> 6) & MAX_PERMISSIONS,
    groupObject: acl.groupObject ?? groupBits,
    other: mode & MAX_PERMISSIONS,
    mask: groupBits,
    users: acl.users,
    groups: acl.groups,
  });
}

/** The value of `system.posix_acl_default`. */
export function defaultAclXattr(acl: DefaultAcl): Buffer {
  return format(acl);
}

function format(acl: Acl): Buffer {
  const count = 3 + acl.users.length + acl.groups.length + (acl.mask === undefined ? 0 : 1);
  const value = Buffer.alloc(HEADER_BYTES + count * ENTRY_BYTES);
  writeU32(value, 0, VERSION);
  let at = HEADER_BYTES;
  const add = (tag: number, permissions: number, id: number): void => {
    value.writeUInt16LE(tag, at);
    value.writeUInt16LE(permissions, at + 2);
    value.writeUInt32LE(id, at + 4);
    at += ENTRY_BYTES;
  };
  add(TAG_USER_OBJECT, acl.userObject, UNDEFINED_ID);
  for (const { id, permissions } of acl.users) add(TAG_USER, permissions, id);
  add(TAG_GROUP_OBJECT, acl.groupObject, UNDEFINED_ID);
  for (const { id, permissions } of acl.groups) add(TAG_GROUP, permissions, id);
  if (acl.mask !== undefined) add(TAG_MASK, acl.mask, UNDEFINED_ID);
  add(TAG_OTHER, acl.other, UNDEFINED_ID);
  return value;
}

/**
 * The ACL in a value, or undefined unless it is whole: version 2, each of the three owners once, at most one mask.
 */
function parse(value: Uint8Array): Acl | undefined {
  if (value.length < HEADER_BYTES || (value.length - HEADER_BYTES) % ENTRY_BYTES !== 0) return undefined;
  if (readU32(value, 0) !== VERSION) return undefined;
  const single = new Map<number, number>();
  const users: NamedPermissions[] = [];
  const groups: NamedPermissions[] = [];
  for (let at = HEADER_BYTES; at < value.length; at += ENTRY_BYTES) {
    const word = readU32(value, at);
    const tag = word & 0xffff;
    const permissions = word >>> 16;
    const id = readU32(value, at + 4);
    if (permissions > MAX_PERMISSIONS) return undefined;
    if (tag === TAG_USER) users.push({ id, permissions });
    else if (tag === TAG_GROUP) groups.push({ id, permissions });
    else if (single.has(tag)) return undefined;
    else single.set(tag, permissions);
  }
  return whole(single, users, groups);
}

function whole(
  single: ReadonlyMap<number, number>,
  users: readonly NamedPermissions[],
  groups: readonly NamedPermissions[],
): Acl | undefined {
  const userObject = single.get(TAG_USER_OBJECT);
  const groupObject = single.get(TAG_GROUP_OBJECT);
  const other = single.get(TAG_OTHER);
  const mask = single.get(TAG_MASK);
  if (userObject === undefined || groupObject === undefined || other === undefined) return undefined;
  if (single.size !== (mask === undefined ? 3 : 4)) return undefined;
  if (mask === undefined && users.length + groups.length > 0) return undefined;
  return { userObject, groupObject, other, mask, users, groups };
}
