import { CairnError } from '../core/errors.js';

const WORD = 2 ** 32;
const MAX_BYTES_ONE_BY_ONE = 64;

/** A u32, little-endian. */
export function readU32(bytes: Uint8Array, at: number): number {
  const word = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
  return (word | ((bytes[at + 3] as number) << 24)) >>> 0;
}

/** A u64, little-endian; not exact from 2^53 on, so the caller must refuse what is no safe integer. */
export function readLooseU64(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 4) * WORD + readU32(bytes, at);
}

/**
 * A u64, little-endian.
 * @throws {CairnError} `corrupt` from 2^53 on: no archive is that large
 */
export function readU64(bytes: Uint8Array, at: number): number {
  const value = readLooseU64(bytes, at);
  if (!Number.isSafeInteger(value)) throw new CairnError('corrupt', 'Archive holds a number of 2^53 or more');
  return value;
}

/**
 * An i64, little-endian.
 * @throws {CairnError} `corrupt` beyond ±2^53
 */
export function readI64(bytes: Uint8Array, at: number): number {
  const high = readU32(bytes, at + 4) | 0;
  if (high >= 2 ** 21 || high < -(2 ** 21)) throw new CairnError('corrupt', 'Archive holds a number beyond ±2^53');
  return high * WORD + readU32(bytes, at);
}

/** Writes a u32, little-endian. */
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/** Writes a whole number between -2^53 and 2^53 as u64 or i64 (two's complement), little-endian. */
export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / WORD);
  writeU32(bytes, at, value - high * WORD);
  writeU32(bytes, at + 4, high);
}

/** The bytes [start, end) in memory of their own: what was read from a cache is only borrowed. */
export function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start);
  // To make a view takes longer than to copy a name.
  if (copy.length > MAX_BYTES_ONE_BY_ONE) copy.set(bytes.subarray(start, end));
  else for (let i = 0; i < copy.length; i += 1) copy[i] = bytes[start + i] as number;
  return copy;
}
