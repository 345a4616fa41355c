import { randomBytes } from 'node:crypto';
import { DIGEST_BYTES, type Digest } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import type { IndexKind } from './chunk-index.js';

/** Both formats have one header of this many bytes (pbs-format §3, §4). */
export const INDEX_HEADER_BYTES = 4096;

const MAGIC: Readonly<Record<IndexKind, Buffer>> = {
  dynamic: Buffer.from('1c914ea519bab3cd', 'hex'),
  fixed: Buffer.from('2f7f41ed91fd0fcd', 'hex'),
};

const UUID_AT = 8;
const UUID_BYTES = 16;
const CTIME_AT = 24;
const CHECKSUM_AT = 32;

/** What tells one index file from another with the same chunks. */
export interface IndexStamp {
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  /** Epoch seconds. */
  readonly ctime: number;
}

/** A stamp with a uuid of its own. */
export function newIndexStamp(ctime: number): IndexStamp {
  return { uuid: randomBytes(UUID_BYTES), ctime };
}

/** The format the first bytes of a file claim, or undefined where they claim none. */
export function indexKindOfMagic(bytes: Uint8Array): IndexKind | undefined {
  const start = bytes.subarray(0, 8);
  if (Buffer.compare(start, MAGIC.dynamic) === 0) return 'dynamic';
  return Buffer.compare(start, MAGIC.fixed) === 0 ? 'fixed' : undefined;
}

/**
 * Fills the fields both formats share; the rest of the header must be zero already.
 * @throws {CairnError} `invalid` for a uuid that is not 16 bytes or a ctime that is not a whole number
 */
export function writeIndexHeader(file: Buffer, kind: IndexKind, stamp: IndexStamp, checksum: Digest): void {
  if (stamp.uuid.length !== UUID_BYTES || !Number.isSafeInteger(stamp.ctime)) {
    throw new CairnError('invalid', 'An index needs a uuid of 16 bytes and a ctime in whole seconds');
  }
  MAGIC[kind].copy(file, 0);
  file.set(stamp.uuid, UUID_AT);
  file.writeBigInt64LE(BigInt(stamp.ctime), CTIME_AT);
  file.set(checksum, CHECKSUM_AT);
}

/** The fields both formats share, as views into the file. */
export interface IndexHeader extends IndexStamp {
  readonly checksum: Digest;
}

/**
 * Reads the shared fields and checks that the file is of this kind and its list a whole number of entries, at least
 * 1.
 * @throws {CairnError} `corrupt`
 */
export function readIndexHeader(file: Buffer, kind: IndexKind, entryBytes: number): IndexHeader {
  if (file.length < INDEX_HEADER_BYTES) {
    throw new CairnError('corrupt', `Index file has ${file.length} bytes, fewer than its header`);
  }
  if (indexKindOfMagic(file) !== kind) throw new CairnError('corrupt', `Not a ${kind} index: wrong magic`);
  const listBytes = file.length - INDEX_HEADER_BYTES;
  if (listBytes === 0) throw new CairnError('corrupt', 'Index lists no chunk');
  if (listBytes % entryBytes !== 0) {
    throw new CairnError('corrupt', `Index file of ${file.length} bytes ends inside an entry of ${entryBytes} bytes`);
  }
  const ctime = Number(file.readBigInt64LE(CTIME_AT));
  if (!Number.isSafeInteger(ctime)) throw new CairnError('corrupt', 'Index has an impossible ctime');
  return {
    uuid: file.subarray(UUID_AT, UUID_AT + UUID_BYTES),
    ctime,
    checksum: file.subarray(CHECKSUM_AT, CHECKSUM_AT + DIGEST_BYTES),
  };
}

/** A u64 as a number; Infinity from 2^53 on, which every caller refuses as too large. */
export function readU64(file: Buffer, at: number): number {
  const value = file.readUInt32LE(at) + file.readUInt32LE(at + 4) * 2 ** 32;
  return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY;
}

/** Writes a number below 2^53 as u64. */
export function writeU64(file: Buffer, value: number, at: number): void {
  file.writeUInt32LE(value % 2 ** 32, at);
  file.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

/**
 * Whether the digest at `at` is all zero: a slot nobody filled (pbs-format §3). The first word decides nearly always.
 */
export function isZeroDigest(file: Buffer, at: number): boolean {
  if (file.readUInt32LE(at) !== 0) return false;
  for (let i = at; i < at + DIGEST_BYTES; i += 1) {
    if (file[i] !== 0) return false;
  }
  return true;
}

/** A Buffer over the same bytes. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * @throws {RangeError} unless 0 ≤ position < count
 */
export function checkPosition(position: number, count: number): void {
  if (!Number.isInteger(position) || position < 0 || position >= count) {
    throw new RangeError(`Chunk ${position} of an index of ${count}`);
  }
}

/**
 * @throws {RangeError} unless 0 ≤ offset < contentLength
 */
export function checkOffset(offset: number, contentLength: number): void {
  if (!Number.isInteger(offset) || offset < 0 || offset >= contentLength) {
    throw new RangeError(`Byte ${offset} of a stream of ${contentLength}`);
  }
}
