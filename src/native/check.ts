import { DIGEST_BYTES, type Digest } from '../core/digest.js';

/** A path to give to the system: text, taken as UTF-8, or its very bytes. */
export type FilePath = string | Uint8Array;

// Validation for the doors: what passes here, the C++ side takes as it is. All throw TypeError or RangeError.

export function requireBytes(value: Uint8Array, name: string): void {
  if (!(value instanceof Uint8Array)) throw new TypeError(`${name} must be a Uint8Array`);
}

export function requireDigest(value: Digest, name = 'digest'): void {
  requireBytes(value, name);
  if (value.length !== DIGEST_BYTES)
    throw new RangeError(`${name} must have ${DIGEST_BYTES} bytes, not ${value.length}`);
}

/** An offset, size or count: an integer from `min` to `max`, by default 0 to 2^53 - 1. */
export function requireInteger(value: number, name: string, min = 0, max = Number.MAX_SAFE_INTEGER): void {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number`);
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw new RangeError(`${name} must be an integer from ${min} to ${max}, not ${value}`);
  }
}

/** A half-open range. */
export function requireRange(start: number, end: number): void {
  requireInteger(start, 'start');
  requireInteger(end, 'end', start);
}

export function requirePath(value: FilePath, name = 'path'): void {
  if (typeof value !== 'string') requireBytes(value, name);
  if (value.length === 0) throw new RangeError(`${name} must not be empty`);
  const nul = typeof value === 'string' ? value.includes('\0') : value.includes(0);
  if (nul) throw new RangeError(`${name} must not contain a NUL byte`);
}

/** Permission bits for a new file or folder; the process's umask applies. */
export function requireMode(value: number): void {
  requireInteger(value, 'mode', 0, 0o7777);
}
