import { CairnError } from '../../core/errors.js';
import { MAX_PIECES, piecesOf, type Redundancy } from '../../core/redundancy.js';
import { crc64Sync } from '../../native/erasure.js';

/** What a piece says of itself. Lengths in bytes, checksums are CRC-64/XZ. */
export interface ShardHeader {
  /** How many pieces there are; with one data piece each is a whole copy. */
  readonly redundancy: Redundancy;
  /** Which piece: the data pieces first, in the object's order, the last one filled up with zeros. */
  readonly index: number;
  readonly objectBytes: number;
  readonly objectCrc: bigint;
  /** Length and checksum of what follows the header. */
  readonly shardBytes: number;
  readonly shardCrc: bigint;
  /** Of several objects put under one name the one of the highest generation counts: microseconds since 1970. */
  readonly generation: number;
  /** Under what name it was put, which for a chunk has its digest. It may have been moved since. */
  readonly name: string;
}

// Offsets in bytes, numbers little-endian:
//   0 magic (8) | 8 version | 9 data pieces | 10 parity pieces | 11 index | 12 length of the header (u16) |
//   14 length of the name (u16) | 16 object bytes (u64) | 24 shard bytes (u64) | 32 generation (u64) |
//   40 object CRC-64 | 48 shard CRC-64 | 56 name | CRC-64 of all before.
// The magic is none of PBS's blobs'.
const MAGIC = Buffer.from([0x8f, 0x43, 0x41, 0x49, 0x52, 0x4e, 0x53, 0x0a]);
const VERSION = 1;
const FIXED_BYTES = 56;
const CRC_BYTES = 8;

/** So many bytes from the start have the whole header, unless the name is of an unusual length. */
export const USUAL_HEADER_BYTES = 512;

/** Bytes of the header of pieces of an object of this name. */
export function headerBytesOf(name: string): number {
  return FIXED_BYTES + Buffer.byteLength(name) + CRC_BYTES;
}

/** Writes the header into the first `headerBytesOf(name)` bytes of `out`. */
export function writeShardHeader(header: ShardHeader, out: Buffer): void {
  const headerBytes = headerBytesOf(header.name);
  MAGIC.copy(out);
  out.writeUInt8(VERSION, 8);
  out.writeUInt8(header.redundancy.data, 9);
  out.writeUInt8(header.redundancy.parity, 10);
  out.writeUInt8(header.index, 11);
  out.writeUInt16LE(headerBytes, 12);
  out.writeUInt16LE(headerBytes - FIXED_BYTES - CRC_BYTES, 14);
  out.writeBigUInt64LE(BigInt(header.objectBytes), 16);
  out.writeBigUInt64LE(BigInt(header.shardBytes), 24);
  out.writeBigUInt64LE(BigInt(header.generation), 32);
  out.writeBigUInt64LE(header.objectCrc, 40);
  out.writeBigUInt64LE(header.shardCrc, 48);
  out.write(header.name, FIXED_BYTES);
  const end = headerBytes - CRC_BYTES;
  out.writeBigUInt64LE(crc64Sync(out.subarray(0, end)), end);
}

/** Whether these bytes begin as a piece does, and not as an object that is stored as it is. */
export function looksLikeShard(start: Uint8Array): boolean {
  return start.length >= MAGIC.length && MAGIC.equals(start.subarray(0, MAGIC.length));
}

/** Length of the header these bytes begin with, or as much of the start as is needed to tell. */
export function headerLength(start: Buffer): number {
  return start.length < FIXED_BYTES ? FIXED_BYTES : start.readUInt16LE(12);
}

/**
 * Reads the header a piece begins with.
 * @param start bytes from the piece's start, at least `headerLength`
 * @throws {CairnError} `corrupt`, `unsupported` for a newer version
 */
export function parseShardHeader(start: Buffer): ShardHeader {
  if (!looksLikeShard(start) || start.length < FIXED_BYTES + CRC_BYTES) throw damaged('it does not begin as one');
  const headerBytes = headerLength(start);
  const nameEnd = FIXED_BYTES + start.readUInt16LE(14);
  if (headerBytes !== nameEnd + CRC_BYTES || headerBytes > start.length) throw damaged('its header has no end');
  if (crc64Sync(start.subarray(0, nameEnd)) !== start.readBigUInt64LE(nameEnd)) throw damaged('its header is damaged');
  if (start.readUInt8(8) !== VERSION) {
    throw new CairnError('unsupported', `A shard of version ${start.readUInt8(8)} needs a newer cairn`);
  }
  const header = {
    redundancy: { data: start.readUInt8(9), parity: start.readUInt8(10) },
    index: start.readUInt8(11),
    objectBytes: Number(start.readBigUInt64LE(16)),
    shardBytes: Number(start.readBigUInt64LE(24)),
    generation: Number(start.readBigUInt64LE(32)),
    objectCrc: start.readBigUInt64LE(40),
    shardCrc: start.readBigUInt64LE(48),
    name: start.toString('utf8', FIXED_BYTES, nameEnd),
  };
  if (!makesSense(header)) throw damaged('its header makes no sense');
  return header;
}

/** Bytes of each piece of an object. */
export function shardBytesOf(objectBytes: number, { data }: Redundancy): number {
  return Math.ceil(objectBytes / data);
}

function makesSense({ redundancy, index, objectBytes, shardBytes, generation }: ShardHeader): boolean {
  const { data } = redundancy;
  const pieces = piecesOf(redundancy);
  if (!Number.isSafeInteger(objectBytes) || !Number.isSafeInteger(generation)) return false;
  return data >= 1 && pieces <= MAX_PIECES && index < pieces && shardBytes === shardBytesOf(objectBytes, redundancy);
}

function damaged(why: string): CairnError {
  return new CairnError('corrupt', `Not a sound shard: ${why}`);
}
