import { CairnError } from '../core/errors.js';
import { readU32, readU64, writeU32, writeU64 } from './bytes.js';

/** Every item starts with its type and its length, which includes these 16 bytes (pbs-format §6.1). */
export const ITEM_HEADER_BYTES = 16;

/** Limits of pbs-format §6.1, in bytes. */
export const MAX_PATH_BYTES = 4096;
export const MAX_XATTR_NAME_BYTES = 255;
export const MAX_XATTR_VALUE_BYTES = 65_536;

/** A type of item: its u64 as two words, since comparing those needs no BigInt. */
export interface ItemType {
  readonly name: string;
  readonly low: number;
  readonly high: number;
}

function itemType(name: string, value: bigint): ItemType {
  return Object.freeze({ name, low: Number(value & 0xffff_ffffn), high: Number(value >> 32n) });
}

/** The types of items (pbs-format §6.1). */
export const Item = {
  formatVersion: itemType('FORMAT_VERSION', 0x730f6c75df16a40dn),
  prelude: itemType('PRELUDE', 0xe309d79d9f7b771bn),
  entry: itemType('ENTRY', 0xd5956474e588acefn),
  oldEntry: itemType('ENTRY (old)', 0x11da850a1c1cceffn),
  filename: itemType('FILENAME', 0x16701121063917b3n),
  symlink: itemType('SYMLINK', 0x27f971e7dbf5dc5fn),
  device: itemType('DEVICE', 0x9fc9e906586d5ce9n),
  xattr: itemType('XATTR', 0x0dab0229b57dcd03n),
  aclUser: itemType('ACL_USER', 0x2ce8540a457d55b8n),
  aclGroup: itemType('ACL_GROUP', 0x136e3eceb04c03abn),
  aclGroupObject: itemType('ACL_GROUP_OBJ', 0x10868031e9582876n),
  aclDefault: itemType('ACL_DEFAULT', 0xbbbb13415a6896f5n),
  aclDefaultUser: itemType('ACL_DEFAULT_USER', 0xc89357b40532cd1fn),
  aclDefaultGroup: itemType('ACL_DEFAULT_GROUP', 0xf90a8a5816038ffen),
  fileCapabilities: itemType('FCAPS', 0x2da9dd9db5f7fb67n),
  quotaProject: itemType('QUOTA_PROJID', 0xe07540e82f7d1cbbn),
  hardLink: itemType('HARDLINK', 0x51269c8422bd7275n),
  payload: itemType('PAYLOAD', 0x28147a1b0b7c1a25n),
  payloadRef: itemType('PAYLOAD_REF', 0x419d3d6bc4ba977en),
  goodbye: itemType('GOODBYE', 0x2fec4fa642d5731dn),
  /** Not an item: the first word of a GOODBYE table's tail. */
  goodbyeTail: itemType('GOODBYE tail', 0xef5eed5b753e1555n),
  payloadStartMarker: itemType('PAYLOAD_START_MARKER', 0x834c68c2194a4ed2n),
  payloadTailMarker: itemType('PAYLOAD_TAIL_MARKER', 0x6c72b78b984c81b5n),
} as const;

const BY_LOW_WORD = new Map<number, ItemType>(Object.values(Item).map((type) => [type.low, type]));

/** The type whose u64 is at `at`, or undefined where there is none such. */
export function itemTypeAt(bytes: Uint8Array, at: number): ItemType | undefined {
  const type = BY_LOW_WORD.get(readU32(bytes, at));
  return type !== undefined && type.high === readU32(bytes, at + 4) ? type : undefined;
}

/** An item's header. */
export interface ItemHeader {
  readonly type: ItemType;
  /** Length of the item in bytes, its header included. */
  readonly length: number;
}

/**
 * Reads an item's header.
 * @param position where in the stream the item starts; for messages
 * @throws {CairnError} `corrupt` for an unknown type or a length below 16
 */
export function readItemHeader(bytes: Uint8Array, at: number, position: number): ItemHeader {
  const type = itemTypeAt(bytes, at);
  if (type === undefined || type === Item.goodbyeTail) {
    throw new CairnError('corrupt', `Archive has no item at byte ${position}`);
  }
  const length = readU64(bytes, at + 8);
  if (length < ITEM_HEADER_BYTES) throw new CairnError('corrupt', `Archive item at byte ${position} is too short`);
  return { type, length };
}

/** Writes a type's u64. */
export function writeItemType(bytes: Uint8Array, at: number, type: ItemType): void {
  writeU32(bytes, at, type.low);
  writeU32(bytes, at + 4, type.high);
}

/** Writes an item's header; `length` includes it. */
export function writeItemHeader(bytes: Uint8Array, at: number, type: ItemType, length: number): void {
  writeItemType(bytes, at, type);
  writeU64(bytes, at + 8, length);
}
