import { CairnError } from '../core/errors.js';
import { type ByteSource, ByteWindow } from './byte-source.js';
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
import { copyOf, readU64 } from './bytes.js';
import { Item, ITEM_HEADER_BYTES, type ItemHeader, type ItemType, MAX_PATH_BYTES, readItemHeader } from './items.js';
import { isEntryName, isLinkTarget, shownName } from './names.js';
import type { PayloadPlace } from './payload-items.js';
import type { Steps } from './steps.js';

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

/** More attribute items than any file system holds for one file: who claims them is not to be followed. */
const MAX_ATTRIBUTE_ITEMS = 65_536;

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
export function isAttribute(type: ItemType): boolean {
  return ATTRIBUTES.has(type);
}

/** The header of the item at `position`. */
export function* itemAt(window: ByteWindow, position: number): Steps<ItemHeader> {
  const at = yield* window.at(position, ITEM_HEADER_BYTES);
  return readItemHeader(window.bytes, at, position);
}

/** What of a child is found at its FILENAME. */
export interface ChildHead {
  /** A copy. */
  readonly name: Uint8Array;
  /** Position of its ENTRY; of a hard link, its target's. */
  readonly entryPosition: number;
  readonly isHardLink: boolean;
}

/**
 * Reads a child's name, and where its ENTRY is.
 * @throws {CairnError} `corrupt`
 */
export function* readChildHead(source: ByteSource, window: ByteWindow, position: number): Steps<ChildHead> {
  const { name, end } = yield* readName(window, position);
  const { type, length } = yield* itemAt(window, end);
  if (type !== Item.hardLink) return { name, entryPosition: end, isHardLink: false };
  if (length < ITEM_HEADER_BYTES + 8) throw new CairnError('corrupt', `Hard link at byte ${end} is too short`);
  const at = yield* window.at(end + ITEM_HEADER_BYTES, 8);
  const target = position - readU64(window.bytes, at);
  if (target < 0 || target >= position) {
    throw new CairnError('corrupt', `Hard link at byte ${end} leads to byte ${target}, which is not before it`);
  }
  const targetName = yield* readName(new ByteWindow(source, ENTRY_READ_AHEAD, position), target);
  return { name, entryPosition: targetName.end, isHardLink: true };
}

function* readName(window: ByteWindow, position: number): Steps<{ name: Uint8Array; end: number }> {
  const { type, length } = yield* itemAt(window, position);
  const contentBytes = length - ITEM_HEADER_BYTES;
  if (type !== Item.filename || contentBytes < 2 || contentBytes > MAX_PATH_BYTES + 1) {
    throw new CairnError('corrupt', `Archive has no file name at byte ${position}`);
  }
  const name = yield* terminated(window, position + ITEM_HEADER_BYTES, contentBytes);
  if (!isEntryName(name)) throw new CairnError('corrupt', `Archive holds the file name ${shownName(name)}`);
  return { name, end: position + length };
}

/** The entry whose ENTRY is at `position`. */
export function* readEntryAt(window: ByteWindow, position: number): Steps<ArchiveEntry> {
  const header = yield* itemAt(window, position);
  const stat = yield* readStat(window, position, header);
  let bodyPosition = position + header.length;
  let items = 0;
  let body: ItemHeader | undefined;
  const kind = kindOfMode(stat.mode) as EntryKind;
  // A FIFO or a socket may be the last thing in a folder, and a folder's children follow directly.
  for (;;) {
    body = yield* itemAt(window, bodyPosition);
    if (!isAttribute(body.type)) break;
    items += 1;
    if (items > MAX_ATTRIBUTE_ITEMS) throw new CairnError('corrupt', `Entry at byte ${position} has too many attributes`);
    bodyPosition += body.length;
  }
  const content = yield* readBody(window, kind, bodyPosition, body);
  return { position, kind, bodyPosition, hasXattrs: items > 0, ...stat, ...content };
}

function* readStat(window: ByteWindow, position: number, { type, length }: ItemHeader): Steps<StatWithFlags> {
  const wanted = type === Item.entry ? ENTRY_BYTES : OLD_ENTRY_BYTES;
  if ((type !== Item.entry && type !== Item.oldEntry) || length !== ITEM_HEADER_BYTES + wanted) {
    throw new CairnError('corrupt', `Archive has no entry at byte ${position}`);
  }
  const at = yield* window.at(position + ITEM_HEADER_BYTES, wanted);
  return type === Item.entry ? readEntry(window.bytes, at) : readOldEntry(window.bytes, at);
}

type Body = Pick<ArchiveEntry, 'size' | 'payload' | 'target' | 'rdev'>;

const NO_BODY: Body = { size: 0, payload: undefined, target: undefined, rdev: 0 };

function* readBody(window: ByteWindow, kind: EntryKind, position: number, body: ItemHeader): Steps<Body> {
  switch (kind) {
    case 'file':
      return { ...NO_BODY, ...(yield* readPayload(window, position, body)) };
    case 'symlink': {
      const target = yield* readTarget(window, position, body);
      return { ...NO_BODY, target, size: target.length };
    }
    case 'block':
    case 'character':
      return { ...NO_BODY, rdev: yield* readDevice(window, position, body) };
    default:
      return NO_BODY;
  }
}

function* readPayload(
  window: ByteWindow,
  position: number,
  { type, length }: ItemHeader,
): Steps<Pick<Body, 'payload' | 'size'>> {
  if (type === Item.payload) {
    const size = length - ITEM_HEADER_BYTES;
    return { size, payload: { offset: position, size, inline: true } };
  }
  if (type !== Item.payloadRef || length !== ITEM_HEADER_BYTES + 16) {
    throw new CairnError('corrupt', `File has no payload at byte ${position}`);
  }
  const at = yield* window.at(position + ITEM_HEADER_BYTES, 16);
  const payload = { offset: readU64(window.bytes, at), size: readU64(window.bytes, at + 8), inline: false };
  return { size: payload.size, payload };
}

function* readTarget(window: ByteWindow, position: number, { type, length }: ItemHeader): Steps<Uint8Array> {
  const contentBytes = length - ITEM_HEADER_BYTES;
  if (type !== Item.symlink || contentBytes < 2 || contentBytes > MAX_PATH_BYTES + 1) {
    throw new CairnError('corrupt', `Symbolic link has no target at byte ${position}`);
  }
  const target = yield* terminated(window, position + ITEM_HEADER_BYTES, contentBytes);
  if (!isLinkTarget(target)) throw new CairnError('corrupt', `Symbolic link has the target ${shownName(target)}`);
  return target;
}

function* readDevice(window: ByteWindow, position: number, { type, length }: ItemHeader): Steps<number> {
  if (type !== Item.device || length !== ITEM_HEADER_BYTES + 16) {
    throw new CairnError('corrupt', `Device node has no device number at byte ${position}`);
  }
  const at = yield* window.at(position + ITEM_HEADER_BYTES, 16);
  const rdev = packDevice({ major: readU64(window.bytes, at), minor: readU64(window.bytes, at + 8) });
  if (rdev === undefined) throw new CairnError('corrupt', `Device number at byte ${position} is impossible`);
  return rdev;
}

/** A copy of a string of `length` bytes without the NUL that ends it. */
function* terminated(window: ByteWindow, position: number, length: number): Steps<Uint8Array> {
  const at = yield* window.at(position, length);
  if (window.bytes[at + length - 1] !== 0) throw new CairnError('corrupt', `Text at byte ${position} does not end`);
  return copyOf(window.bytes, at, at + length - 1);
}
