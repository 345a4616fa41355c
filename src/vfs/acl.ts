import { CairnError } from '../core/errors.js';

/**
 * POSIX ACLs as xattr values (linux/posix_acl_xattr.h): u32 version 2, then entries of u16 tag, u16 permissions,
 * u32 id, in the order user_obj, users, group_obj, groups, mask, other.
 */
export const ACL_ACCESS = Buffer.from('system.posix_acl_access');
export const ACL_DEFAULT = Buffer.from('system.posix_acl_default');

const VERSION = 2;
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;
const TAG = { userObj: 0x01, user: 0x02, groupObj: 0x04, group: 0x08, mask: 0x10, other: 0x20 };

interface AclEntry {
  readonly tag: number;
  readonly permissions: number;
  readonly id: number;
}

/** Whether the name is that of an ACL. */
export function isAclName(name: Uint8Array): boolean {
  return ACL_ACCESS.equals(name) || ACL_DEFAULT.equals(name);
}

/**
 * What an access ACL says of the mode's permission bits: owner, mask (or group where there is none) and other.
 * `minimal` where the ACL says nothing the mode does not.
 * @throws {CairnError} `invalid` for bytes that are no ACL
 */
export function modeOfAcl(value: Uint8Array, mode: number): { mode: number; minimal: boolean } {
  const entries = parse(value);
  const bits = (tag: number) => entries.find((entry) => entry.tag === tag)?.permissions;
  const group = bits(TAG.mask) ?? bits(TAG.groupObj) ?? 0;
  const permissions = ((bits(TAG.userObj) ?? 0) << 6) | (group << 3) | (bits(TAG.other) ?? 0);
  const extended = entries.some(({ tag }) => tag === TAG.user || tag === TAG.group || tag === TAG.mask);
  return { mode: (mode & ~0o777) | permissions, minimal: !extended };
}

/** The access ACL after chmod(2) set the mode's permission bits: owner, mask (else group) and other follow it. */
export function aclAfterChmod(value: Uint8Array, mode: number): Buffer {
  const entries = parse(value);
  const hasMask = entries.some(({ tag }) => tag === TAG.mask);
  return format(
    entries.map((entry) => {
      if (entry.tag === TAG.userObj) return { ...entry, permissions: (mode >> 6) & 7 };
      if (entry.tag === (hasMask ? TAG.mask : TAG.groupObj)) return { ...entry, permissions: (mode >> 3) & 7 };
      if (entry.tag === TAG.other) return { ...entry, permissions: mode & 7 };
      return entry;
    }),
  );
}

/** What a new inode gets from its folder's default ACL. */
export interface InheritedAcl {
  readonly mode: number;
  /** The access ACL, or undefined where the mode says it all. */
  readonly access: Buffer | undefined;
}

/** Access permissions of an inode made with `mode` (no umask applied) in a folder with this default ACL (acl(5)). */
export function inheritAcl(defaultAcl: Uint8Array, mode: number): InheritedAcl {
  const entries = parse(defaultAcl);
  const hasMask = entries.some(({ tag }) => tag === TAG.mask);
  const masked = entries.map((entry) => {
    if (entry.tag === TAG.userObj) return { ...entry, permissions: entry.permissions & (mode >> 6) & 7 };
    if (entry.tag === (hasMask ? TAG.mask : TAG.groupObj)) {
      return { ...entry, permissions: entry.permissions & (mode >> 3) & 7 };
    }
    if (entry.tag === TAG.other) return { ...entry, permissions: entry.permissions & mode & 7 };
    return entry;
  });
  const access = format(masked);
  const result = modeOfAcl(access, mode);
  return { mode: result.mode, access: result.minimal ? undefined : access };
}

function parse(value: Uint8Array): AclEntry[] {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const whole = bytes.length >= HEADER_BYTES && (bytes.length - HEADER_BYTES) % ENTRY_BYTES === 0;
  if (!whole || bytes.readUInt32LE(0) !== VERSION) throw new CairnError('invalid', 'Not a POSIX ACL');
  const entries: AclEntry[] = [];
  for (let at = HEADER_BYTES; at < bytes.length; at += ENTRY_BYTES) {
    entries.push({
      tag: bytes.readUInt16LE(at),
      permissions: bytes.readUInt16LE(at + 2),
      id: bytes.readUInt32LE(at + 4),
    });
  }
  if (!isWellFormed(entries)) throw new CairnError('invalid', 'Not a POSIX ACL: entries are missing or out of order');
  return entries;
}

/** As acl_valid(3) demands, and in the order the kernel gives: without that it would mean nothing, or anything. */
function isWellFormed(entries: readonly AclEntry[]): boolean {
  const tags = entries.map(({ tag }) => tag);
  const count = (tag: number) => tags.filter((other) => other === tag).length;
  const once = count(TAG.userObj) === 1 && count(TAG.groupObj) === 1 && count(TAG.other) === 1;
  const named = count(TAG.user) + count(TAG.group) > 0;
  const known = Object.values(TAG);
  return (
    once &&
    count(TAG.mask) <= 1 &&
    (!named || count(TAG.mask) === 1) &&
    entries.every(({ tag, permissions }) => known.includes(tag) && permissions <= 7) &&
    tags.every((tag, index) => index === 0 || tag >= (tags[index - 1] as number))
  );
}

function format(entries: readonly AclEntry[]): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + entries.length * ENTRY_BYTES);
  bytes.writeUInt32LE(VERSION, 0);
  entries.forEach(({ tag, permissions, id }, index) => {
    const at = HEADER_BYTES + index * ENTRY_BYTES;
    bytes.writeUInt16LE(tag, at);
    bytes.writeUInt16LE(permissions, at + 2);
    bytes.writeUInt32LE(id, at + 4);
  });
  return bytes;
}
