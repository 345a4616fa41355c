import type { Change, ContentChange } from '../../catalog/change.js';
import { CairnError } from '../../core/errors.js';
import { crc32 } from '../../native/hash.js';
import { ByteReader } from './byte-reader.js';
import type { ByteWriter } from './byte-writer.js';
import { readChange, writeChange } from './change-codec.js';

/**
 * A journal record: 25 bytes, the change, then the bodies (file bytes that are in no chunk yet).
 *
 *     0  u32  magic
 *     4  u32  CRC-32 of everything from byte 8 to the end of the bodies; filled in by the addon
 *     8  u32  length of the part before the bodies, bytes
 *     12 u32  length of the bodies, bytes
 *     16 f64  sequence: one more than the record before, over all segments
 *     24 u8   1 a change, 2 a barrier
 */
const MAGIC = 0x314a5243;
const MAGIC_BYTES = Buffer.from([MAGIC & 0xff, (MAGIC >> 8) & 0xff, (MAGIC >> 16) & 0xff, MAGIC >>> 24]);
/** Bytes of a record before the change. */
export const RECORD_FIXED_BYTES = 25;
const TYPE_CHANGE = 1;
const TYPE_BARRIER = 2;

/** What a record says. A barrier: everything up to and including `upTo` is known to be durable. */
export type RecordContent =
  | { readonly type: 'change'; readonly change: Change }
  | { readonly type: 'barrier'; readonly upTo: number };

/** What a whole record was found to say; `unreadable`: nothing that could be understood. */
export type FoundContent = RecordContent | { readonly type: 'unreadable'; readonly reason: string };

/** A record as it was found in a segment. */
export interface FoundRecord {
  readonly sequence: number;
  readonly content: FoundContent;
  /** Where in the segment its bodies start, and where the record behind it starts. */
  readonly bodiesAt: number;
  readonly end: number;
}

/** Writes all of a record but its bodies; the CRC is left to JournalFile.append. */
export function writeRecord(out: ByteWriter, sequence: number, bodyBytes: number, content: RecordContent): void {
  out.reset();
  out.u32(MAGIC);
  out.u32(0);
  out.u32(0);
  out.u32(bodyBytes);
  out.number(sequence);
  if (content.type === 'change') {
    out.u8(TYPE_CHANGE);
    writeChange(out, content.change);
  } else {
    out.u8(TYPE_BARRIER);
    out.number(content.upTo);
  }
  out.patchU32(8, out.length);
}

/** Sequence that the record at the start of `bytes` claims, unproven; undefined where none starts there. */
export function claimedSequence(bytes: Buffer): number | undefined {
  return bytes.length >= RECORD_FIXED_BYTES && bytes.readUInt32LE(0) === MAGIC ? bytes.readDoubleLE(16) : undefined;
}

/**
 * The record at `at`, or undefined where none is whole and intact there: the end of the segment, or a torn one.
 * @param segment all bytes of the segment's file
 */
export function findRecord(segment: Buffer, at: number): FoundRecord | undefined {
  if (at + RECORD_FIXED_BYTES > segment.length || segment.readUInt32LE(at) !== MAGIC) return undefined;
  const headerBytes = segment.readUInt32LE(at + 8);
  const end = at + headerBytes + segment.readUInt32LE(at + 12);
  if (headerBytes < RECORD_FIXED_BYTES || end > segment.length) return undefined;
  if (crc32(segment.subarray(at + 8, end)) !== segment.readUInt32LE(at + 4)) return undefined;
  return {
    sequence: segment.readDoubleLE(at + 16),
    content: readContent(segment.subarray(at + 24, at + headerBytes)),
    bodiesAt: at + headerBytes,
    end,
  };
}

/** The first whole record at `from` or behind it, whatever lies before it. */
export function findNextRecord(segment: Buffer, from: number): FoundRecord | undefined {
  for (let at = segment.indexOf(MAGIC_BYTES, from); at >= 0; at = segment.indexOf(MAGIC_BYTES, at + 1)) {
    const record = findRecord(segment, at);
    if (record !== undefined) return record;
  }
  return undefined;
}

/** What a record at `at` that is torn seems to have been about: unproven, for messages alone. */
export function tornChange(segment: Buffer, at: number): Change | undefined {
  if (claimedSequence(segment.subarray(at)) === undefined) return undefined;
  const content = readContent(segment.subarray(at + 24, at + segment.readUInt32LE(at + 8)));
  return content.type === 'change' ? content.change : undefined;
}

function readContent(bytes: Uint8Array): FoundContent {
  const input = new ByteReader(bytes);
  try {
    const type = input.u8();
    if (type === TYPE_CHANGE) return { type: 'change', change: readChange(input) };
    if (type === TYPE_BARRIER) return { type: 'barrier', upTo: input.number() };
    return { type: 'unreadable', reason: `Journal record of unknown type ${type}` };
  } catch (error) {
    if (error instanceof CairnError) return { type: 'unreadable', reason: error.message };
    throw error;
  }
}

/**
 * The change with its journal extents that lie in this very record (segment 0) told where that is; extents in
 * other segments stay as they are.
 */
export function placed(change: Change, segment: number, bodiesAt: number): Change {
  if (change.kind !== 'content' || !change.extents.some((extent) => isUnplaced(extent))) return change;
  const extents: ContentChange['extents'] = change.extents.map((extent) =>
    isUnplaced(extent) ? { ...extent, segment, at: bodiesAt + extent.at } : extent,
  );
  return { ...change, extents };
}

function isUnplaced(extent: ContentChange['extents'][number]): boolean {
  return extent.kind === 'journal' && extent.segment === 0;
}
