import { CairnError } from '../core/errors.js';
import type { ByteRange } from '../core/ranges.js';
import type { Timestamp } from '../core/time.js';
import type { FolderLink } from './reader.js';
import type { VarintReader, VarintWriter } from './varint.js';
import type { Xattr } from './xattrs.js';

/** What a snapshot knows of an entry and an archive has no place for. What is absent is not known. */
export interface AttributeRecord {
  /** Position of the entry's ENTRY in the metadata stream: what the record is found by. */
  readonly entryPosition: number;
  readonly nlink: number;
  readonly ctime?: Timestamp;
  /** Birth time. */
  readonly btime?: Timestamp;
  readonly atime?: Timestamp;
  /** Folders but the root: the way back to the folder it is in. */
  readonly folder?: FolderLink;
  /** Position of the ENTRY of an earlier entry that is the same inode, where the archive could not say so. */
  readonly sameAs?: number;
  /**
   * Extended attributes the archive does not hold, or not to the last bit; these go before the archive's of the
   * same name.
   */
  readonly xattrs: readonly Xattr[];
  /** Sorted, not touching. */
  readonly holes: readonly ByteRange[];
}

/** What a record is compared with: one that says so much, no attributes, and holes or none. */
export interface ExpectedRecord {
  nlink: number;
  ctimeSec: number;
  ctimeNsec: number;
  /** Not known where `btimeUnknown`. */
  btimeSec: number;
  btimeNsec: number;
  btimeUnknown: boolean;
  /** Position of the ENTRY of the folder it is in, where it is a folder and not the root; else -1. */
  parent: number;
  nameLength: number;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

const HAS_NLINK = 1;
const HAS_CTIME = 2;
const HAS_BTIME = 4;
const HAS_ATIME = 8;
const HAS_FOLDER = 16;
const HAS_SAME_AS = 32;
const HAS_XATTRS = 64;
const HAS_HOLES = 128;
const MAX_NANOSECONDS = 999_999_999;

/**
 * Writes all of a record but its position.
 * @throws {CairnError} `invalid` for a record that cannot be written
 */
export function writeRecord(writer: VarintWriter, record: AttributeRecord): void {
  const { entryPosition, nlink, ctime, btime, atime, folder, sameAs, xattrs, holes } = record;
  writer.byte(flagsOf(record));
  if (nlink !== 1) writer.number(nlink);
  if (ctime !== undefined) writeTime(writer, ctime);
  if (btime !== undefined) writeTime(writer, btime);
  if (atime !== undefined) writeTime(writer, atime);
  if (folder !== undefined) {
    writer.number(entryPosition - folder.parent);
    writer.number(folder.nameLength);
  }
  if (sameAs !== undefined) writer.number(entryPosition - sameAs);
  if (xattrs.length > 0) {
    writer.number(xattrs.length);
    for (const { name, value } of xattrs) {
      writer.bytes(name);
      writer.bytes(value);
    }
  }
  if (holes.length > 0) writeRanges(writer, holes);
}

function flagsOf({ nlink, ctime, btime, atime, folder, sameAs, xattrs, holes }: AttributeRecord): number {
  return (
    (nlink === 1 ? 0 : HAS_NLINK) |
    (ctime === undefined ? 0 : HAS_CTIME) |
    (btime === undefined ? 0 : HAS_BTIME) |
    (atime === undefined ? 0 : HAS_ATIME) |
    (folder === undefined ? 0 : HAS_FOLDER) |
    (sameAs === undefined ? 0 : HAS_SAME_AS) |
    (xattrs.length === 0 ? 0 : HAS_XATTRS) |
    (holes.length === 0 ? 0 : HAS_HOLES)
  );
}

function writeTime(writer: VarintWriter, { seconds, nanoseconds }: Timestamp): void {
  if (!(nanoseconds <= MAX_NANOSECONDS)) throw new CairnError('invalid', `Not a time: ${nanoseconds} nanoseconds`);
  writer.signed(seconds);
  writer.number(nanoseconds);
}

function writeRanges(writer: VarintWriter, ranges: readonly ByteRange[]): void {
  writer.number(ranges.length);
  let end = 0;
  for (const range of ranges) {
    writer.number(range.start - end);
    writer.number(range.end - range.start);
    end = range.end;
  }
}

/**
 * Reads what `writeRecord` wrote, to the reader's end.
 * @throws {CairnError} `corrupt`
 */
export function readRecord(reader: VarintReader, entryPosition: number): AttributeRecord {
  const flags = reader.byte();
  const nlink = flags & HAS_NLINK ? reader.number() : 1;
  // No literal with spread parts: listings read a record for each entry, and those take several times as long.
  const record: Mutable<AttributeRecord> = { entryPosition, nlink, xattrs: [], holes: [] };
  if (flags & HAS_CTIME) record.ctime = readTime(reader);
  if (flags & HAS_BTIME) record.btime = readTime(reader);
  if (flags & HAS_ATIME) record.atime = readTime(reader);
  if (flags & HAS_FOLDER) record.folder = readFolder(reader, entryPosition);
  if (flags & HAS_SAME_AS) record.sameAs = readBack(reader, entryPosition);
  if (flags & HAS_XATTRS) record.xattrs = readXattrs(reader);
  if (flags & HAS_HOLES) record.holes = readRanges(reader);
  if (reader.left > 0) throw new CairnError('corrupt', `Attributes of byte ${entryPosition} end too early`);
  return record;
}

/**
 * Whether a record says just what is expected, apart from its holes. Much as `readRecord`, without making anything.
 * @throws {CairnError} `corrupt`
 */
export function isRecordOf(reader: VarintReader, entryPosition: number, expected: ExpectedRecord): boolean {
  const { nlink, ctimeSec, ctimeNsec, btimeSec, btimeNsec, btimeUnknown, parent, nameLength } = expected;
  const flags = reader.byte();
  const btimeFlag = btimeUnknown ? 0 : HAS_BTIME;
  const nlinkFlag = nlink === 1 ? 0 : HAS_NLINK;
  const folderFlag = parent < 0 ? 0 : HAS_FOLDER;
  if ((flags & ~HAS_HOLES) !== (HAS_CTIME | btimeFlag | nlinkFlag | folderFlag)) return false;
  if (nlink !== 1 && reader.number() !== nlink) return false;
  if (reader.signed() !== ctimeSec || reader.number() !== ctimeNsec) return false;
  if (!btimeUnknown && (reader.signed() !== btimeSec || reader.number() !== btimeNsec)) return false;
  return parent < 0 || (reader.number() === entryPosition - parent && reader.number() === nameLength);
}

function readTime(reader: VarintReader): Timestamp {
  const seconds = reader.signed();
  const nanoseconds = reader.number();
  if (nanoseconds > MAX_NANOSECONDS) throw new CairnError('corrupt', 'Attributes stream holds an impossible time');
  return { seconds, nanoseconds };
}

function readFolder(reader: VarintReader, entryPosition: number): FolderLink {
  const parent = readBack(reader, entryPosition);
  return { parent, nameLength: reader.number() };
}

function readBack(reader: VarintReader, entryPosition: number): number {
  const distance = reader.number();
  if (distance < 1 || distance > entryPosition) {
    throw new CairnError('corrupt', `Attributes of byte ${entryPosition} lead to an entry that is not before it`);
  }
  return entryPosition - distance;
}

function readXattrs(reader: VarintReader): Xattr[] {
  const xattrs: Xattr[] = [];
  for (let count = reader.number(); count > 0; count -= 1) {
    const name = reader.bytes();
    xattrs.push({ name, value: reader.bytes() });
  }
  return xattrs;
}

function readRanges(reader: VarintReader): ByteRange[] {
  const ranges: ByteRange[] = [];
  let end = 0;
  for (let count = reader.number(); count > 0; count -= 1) {
    const start = end + reader.number();
    end = start + reader.number();
    if (end === start || !Number.isSafeInteger(end)) {
      throw new CairnError('corrupt', 'Attributes stream holds an impossible hole');
    }
    ranges.push({ start, end });
  }
  return ranges;
}
