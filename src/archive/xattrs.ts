import { type AccessAcl, accessAclOf, accessAclXattr, type DefaultAcl, defaultAclOf, defaultAclXattr } from './acl.js';
import { kindOfMode } from './entry.js';
import { MAX_XATTR_NAME_BYTES, MAX_XATTR_VALUE_BYTES } from './items.js';

/** An extended attribute as Linux has it: the name with its namespace, without terminator. */
export interface Xattr {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

/** An entry's extended attributes, sorted by the items that hold them (pbs-format §6.1). */
export interface SortedXattrs {
  /** To be XATTR items. */
  readonly plain: readonly Xattr[];
  readonly access: AccessAcl | undefined;
  readonly defaults: DefaultAcl | undefined;
  /** Value of `security.capability`. */
  readonly capabilities: Uint8Array | undefined;
  /** What no item holds, or not to the last bit. */
  readonly left: readonly Xattr[];
}

const ACCESS_ACL = 'system.posix_acl_access';
const DEFAULT_ACL = 'system.posix_acl_default';
const CAPABILITIES = 'security.capability';
const NT_ACL = 'security.NTACL';

const NONE: SortedXattrs = { plain: [], access: undefined, defaults: undefined, capabilities: undefined, left: [] };

/**
 * Sorts extended attributes by the items that hold them. An ACL that an archive can hold only in part (it contradicts
 * the mode, or its lines are in an unusual order) is both encoded and among `left`: who reads `left` gets it whole,
 * everybody else the nearest thing.
 * @param mode full st_mode of the entry
 */
export function sortXattrs(mode: number, xattrs: readonly Xattr[]): SortedXattrs {
  if (xattrs.length === 0) return NONE;
  const plain: Xattr[] = [];
  const left: Xattr[] = [];
  let access: AccessAcl | undefined;
  let defaults: DefaultAcl | undefined;
  let capabilities: Uint8Array | undefined;
  for (const xattr of xattrs) {
    const { value } = xattr;
    const name = latin1(xattr.name);
    if (name === ACCESS_ACL) {
      access = kindOfMode(mode) === 'symlink' ? undefined : accessAclOf(value);
      if (access === undefined || !same(accessAclXattr(access, mode), value)) left.push(xattr);
    } else if (name === DEFAULT_ACL) {
      defaults = kindOfMode(mode) === 'folder' ? defaultAclOf(value) : undefined;
      if (defaults === undefined || !same(defaultAclXattr(defaults), value)) left.push(xattr);
    } else if (name === CAPABILITIES && value.length <= MAX_XATTR_VALUE_BYTES) capabilities = value;
    else if (isPlain(name, xattr)) plain.push(xattr);
    else left.push(xattr);
  }
  return { plain, access, defaults, capabilities, left };
}

/** What was decoded of an entry's extended attributes. */
export type DecodedXattrs = Omit<SortedXattrs, 'left'>;

/** The extended attributes as Linux has them, of an entry with this mode. */
export function joinXattrs(mode: number, decoded: DecodedXattrs): Xattr[] {
  const xattrs = [...decoded.plain];
  const add = (name: string, value: Uint8Array | undefined): void => {
    if (value !== undefined) xattrs.push({ name: Buffer.from(name), value });
  };
  add(ACCESS_ACL, decoded.access && accessAclXattr(decoded.access, mode));
  add(DEFAULT_ACL, decoded.defaults && defaultAclXattr(decoded.defaults));
  add(CAPABILITIES, decoded.capabilities);
  return xattrs;
}

function isPlain(name: string, xattr: Xattr): boolean {
  const carried = name.startsWith('user.') || name.startsWith('trusted.') || name === NT_ACL;
  const fits = name.length <= MAX_XATTR_NAME_BYTES && xattr.value.length <= MAX_XATTR_VALUE_BYTES;
  return carried && fits && !name.includes('\0');
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function same(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0;
}
