import { CairnError } from '../core/errors.js';
import type { ByteWindow } from './byte-source.js';
import { copyOf, readU64 } from './bytes.js';
import { packDevice } from './device.js';
import {
  ENTRY_BYTES,
  type EntryKind,
  kindOfMode,
  OLD_ENTRY_BYTES,
  readEntry,
  readOldEntry,
  type StatWithFlags,
} from './entry.js';
import { ITEM_HEADER_BYTES, Item, type ItemHeader, type ItemType, MAX_PATH_BYTES, readItemHeader } from './items.js';
import { isEntryName, isLinkTarget, shownName } from './names.js';
import type { PayloadPlace } from './payload-items.js';

/** Where a regular file's content is: the `size` bytes that start 16 bytes behind `offset`. */
export interface ArchivePayload extends PayloadPlace {
  /** Whether that is in the archive itself (version 1); else it is in the payload stream. */
  readonly inline: boolean;
}

/** What an archive says of an entry. Never changed after it was made. */
export interface ArchiveEntry extends StatWithFlags {
  /** Position of its ENTRY item: what it is called by. */
  readonly position: number;
  readonly kind: EntryKind;
  /** Bytes: of a regular file its content, of a symbolic link its target, else 0. */
  readonly size: number;
  /** Regular files only. */
  readonly payload: ArchivePayload | undefined;
  /** Symbolic links only. */
  readonly target: Uint8Array | undefined;
  /** Device nodes only (else 0): as makedev(3) packs it. */
  readonly rdev: number;
  readonly hasXattrs: boolean;
  /** Where the items behind the attributes start. */
  readonly bodyPosition: number;
}

/** More bytes of attributes than any file system holds for one file: who claims them is not to be followed. */
const MAX_ATTRIBUTE_BYTES = 64 * 1024 * 1024;

/** Covers ENTRY and body of nearly every entry without xattrs. */
export const ENTRY_READ_AHEAD = 256;

const ATTRIBUTES: ReadonlySet<ItemType> = new Set([
  Item.xattr,
  Item.aclUser,
  Item.aclGroup,
  Item.aclGroupObject,
  Item.aclDefault,
  Item.aclDefaultUser,
  Item.aclDefaultGroup,
  Item.fileCapabilities,
  Item.quotaProject,
]);

/** Whether items of this type say something of the entry before them. */
function isAttribute(type: ItemType): boolean {
  return ATTRIBUTES.has(type);
}

/** The header of the item at `position`. Like all below, to be called within `ByteWindow.read`. */
export function itemAt(window: ByteWindow, position: number): ItemHeader {
  return readItemHeader(window.bytes, window.at(position, ITEM_HEADER_BYTES), position);
}

/** What of a child is found at its FILENAME. */
export interface ChildHead {
  /** A copy. */
  readonly name: Uint8Array;
  /** Position of its ENTRY, or where its HARDLINK leads: the target's FILENAME. */
  readonly leadsTo: number;
  readonly isHardLink: boolean;
}

/**
 * Reads a child's name, and where it leads.
 * @throws {CairnError} `corrupt`
 */
export function parseChildHead(window: ByteWindow, position: number): ChildHead {
  const { name, end } = parseName(window, position);
  const { type, length } = itemAt(window, end);
  if (type !== Item.hardLink) return { name, leadsTo: end, isHardLink: false };
  if (length < ITEM_HEADER_BYTES + 8) throw new CairnError('corrupt', `Hard link at byte ${end} is too short`);
  const at = window.at(end + ITEM_HEADER_BYTES, 8);
  return { name, leadsTo: position - readU64(window.bytes, at), isHardLink: true };
}

/** The name in the FILENAME at `position`, and the position behind it. */
export function parseName(window: ByteWindow, position: number): { name: Uint8Array; end: number } {
  const { type, length } = itemAt(window, position);
  const contentBytes = length - ITEM_HEADER_BYTES;
  if (type !== Item.filename || contentBytes < 2 || contentBytes > MAX_PATH_BYTES + 1) {
    throw new CairnError('corrupt', `Archive has no file name at byte ${position}`);
  }
  const name = terminated(window, position + ITEM_HEADER_BYTES, contentBytes);
  if (!isEntryName(name)) throw new CairnError('corrupt', `Archive holds the file name ${shownName(name)}`);
  return { name, end: position + length };
}

/**
 * The entry whose ENTRY is at `position`.
 * @throws {CairnError} `corrupt`
 */
export function parseEntry(window: ByteWindow, position: number): ArchiveEntry {
  const header = itemAt(window, position);
  const stat = parseStat(window, position, header);
  const kind = kindOfMode(stat.mode) as EntryKind;
  let bodyPosition = position + header.length;
  // What follows is the body; of a FIFO, a socket or a folder, whose bodies are not here, any other item.
  let body = itemAt(window, bodyPosition);
  const hasXattrs = isAttribute(body.type);
  while (isAttribute(body.type)) {
    bodyPosition += body.length;
    if (bodyPosition - position > MAX_ATTRIBUTE_BYTES) {
      throw new CairnError('corrupt', `Entry at byte ${position} has too many attributes`);
    }
    body = itemAt(window, bodyPosition);
  }
  const { mode, uid, gid, mtimeSec, mtimeNsec, flags } = stat;
  const { size, payload, target, rdev } = parseBody(window, kind, bodyPosition, body);
  return {
    position,
    kind,
    mode,
    uid,
    gid,
    mtimeSec,
    mtimeNsec,
    flags,
    size,
    payload,
    target,
    rdev,
    hasXattrs,
    bodyPosition,
  };
}

function parseStat(window: ByteWindow, position: number, { type, length }: ItemHeader): StatWithFlags {
  const wanted = type === Item.entry ? ENTRY_BYTES : OLD_ENTRY_BYTES;
  if ((type !== Item.entry && type !== Item.oldEntry) || length !== ITEM_HEADER_BYTES + wanted) {
    throw new CairnError('corrupt', `Archive has no entry at byte ${position}`);
  }
  const at = window.at(position + ITEM_HEADER_BYTES, wanted);
  return type === Item.entry ? readEntry(window.bytes, at) : readOldEntry(window.bytes, at);
}

type Body = Pick<ArchiveEntry, 'size' | 'payload' | 'target' | 'rdev'>;

const NO_BODY: Body = { size: 0, payload: undefined, target: undefined, rdev: 0 };

function parseBody(window: ByteWindow, kind: EntryKind, position: number, body: ItemHeader): Body {
  switch (kind) {
    case 'file': {
      const payload = parsePayload(window, position, body);
      return { size: payload.size, payload, target: undefined, rdev: 0 };
    }
    case 'symlink': {
      const target = parseTarget(window, position, body);
      return { size: target.length, payload: undefined, target, rdev: 0 };
    }
    case 'block':
    case 'character':
      return { ...NO_BODY, rdev: parseDevice(window, position, body) };
    default:
      return NO_BODY;
  }
}

function parsePayload(window: ByteWindow, position: number, { type, length }: ItemHeader): ArchivePayload {
  if (type === Item.payload) return { offset: position, size: length - ITEM_HEADER_BYTES, inline: true };
  if (type !== Item.payloadRef || length !== ITEM_HEADER_BYTES + 16) {
    throw new CairnError('corrupt', `File has no payload at byte ${position}`);
  }
  const at = window.at(position + ITEM_HEADER_BYTES, 16);
  return { offset: readU64(window.bytes, at), size: readU64(window.bytes, at + 8), inline: false };
}

function parseTarget(window: ByteWindow, position: number, { type, length }: ItemHeader): Uint8Array {
  const contentBytes = length - ITEM_HEADER_BYTES;
  if (type !== Item.symlink || contentBytes < 2 || contentBytes > MAX_PATH_BYTES + 1) {
    throw new CairnError('corrupt', `Symbolic link has no target at byte ${position}`);
  }
  const target = terminated(window, position + ITEM_HEADER_BYTES, contentBytes);
  if (!isLinkTarget(target)) throw new CairnError('corrupt', `Symbolic link has the target ${shownName(target)}`);
  return target;
}

function parseDevice(window: ByteWindow, position: number, { type, length }: ItemHeader): number {
  if (type !== Item.device || length !== ITEM_HEADER_BYTES + 16) {
    throw new CairnError('corrupt', `Device node has no device number at byte ${position}`);
  }
  const at = window.at(position + ITEM_HEADER_BYTES, 16);
  const rdev = packDevice({ major: readU64(window.bytes, at), minor: readU64(window.bytes, at + 8) });
  if (rdev === undefined) throw new CairnError('corrupt', `Device number at byte ${position} is impossible`);
  return rdev;
}

/** A copy of a string of `length` bytes without the NUL that ends it. */
function terminated(window: ByteWindow, position: number, length: number): Uint8Array {
  const at = window.at(position, length);
  if (window.bytes[at + length - 1] !== 0) throw new CairnError('corrupt', `Text at byte ${position} does not end`);
  return copyOf(window.bytes, at, at + length - 1);
}
