import { addon } from './addon.js';
import { fromAddonError } from './addon-error.js';
import { requireBytes, requireInteger } from './check.js';

const native = addon as {
  encodeBlob(plain: Uint8Array, out: Uint8Array, level: number): Promise<number>;
  encodeBlobSync(plain: Uint8Array, out: Uint8Array, level: number): number;
  decodeBlob(blob: Uint8Array, maxPlainBytes: number): Promise<Buffer>;
  decodeBlobSync(blob: Uint8Array, maxPlainBytes: number): Buffer;
};

/** Bytes of an unencrypted DataBlob before its payload: magic and CRC32 (pbs-format §2.1). */
export const BLOB_HEADER_BYTES = 12;

const MIN_LEVEL = -50;
const MAX_LEVEL = 22;

/**
 * Writes `plain` as an unencrypted DataBlob into `out`: one zstd frame where that is not larger, else as it is
 * (pbs-format §2.1). The work is done on a pool thread; until then neither array may be written to.
 * @param out room of at least `plain.length + BLOB_HEADER_BYTES`, apart from `plain`
 * @param level zstd level -50…22; 0 stores as it is
 * @returns bytes of `out` used
 */
export async function encodeBlob(plain: Uint8Array, out: Uint8Array, level: number): Promise<number> {
  requireEncodeArguments(plain, out, level);
  return native.encodeBlob(plain, out, level);
}

/** `encodeBlob` on the calling thread: for a few kilobytes. */
export function encodeBlobSync(plain: Uint8Array, out: Uint8Array, level: number): number {
  requireEncodeArguments(plain, out, level);
  return native.encodeBlobSync(plain, out, level);
}

/**
 * Checks a DataBlob's magic and CRC32 and gives its plain bytes, in a Buffer of the caller's own.
 * @param maxPlainBytes more than this is taken as damage
 * @throws {CairnError} `corrupt` for any damage, `unsupported` where the blob is encrypted
 */
export async function decodeBlob(blob: Uint8Array, maxPlainBytes: number): Promise<Buffer> {
  requireDecodeArguments(blob, maxPlainBytes);
  try {
    return await native.decodeBlob(blob, maxPlainBytes);
  } catch (error) {
    throw fromAddonError(error, 'blob');
  }
}

/** `decodeBlob` on the calling thread: for a few kilobytes. */
export function decodeBlobSync(blob: Uint8Array, maxPlainBytes: number): Buffer {
  requireDecodeArguments(blob, maxPlainBytes);
  try {
    return native.decodeBlobSync(blob, maxPlainBytes);
  } catch (error) {
    throw fromAddonError(error, 'blob');
  }
}

/** @throws {TypeError|RangeError} where `level` is no zstd level or `out` cannot take a blob of `plainBytes` */
export function requireRoomForBlob(plainBytes: number, out: Uint8Array, level: number): void {
  requireBytes(out, 'out');
  requireInteger(level, 'level', MIN_LEVEL, MAX_LEVEL);
  if (out.length < plainBytes + BLOB_HEADER_BYTES) {
    throw new RangeError(`out must have room for ${plainBytes + BLOB_HEADER_BYTES} bytes, not ${out.length}`);
  }
}

function requireEncodeArguments(plain: Uint8Array, out: Uint8Array, level: number): void {
  requireBytes(plain, 'plain');
  requireRoomForBlob(plain.length, out, level);
  const apart = plain.byteOffset + plain.length <= out.byteOffset || out.byteOffset + out.length <= plain.byteOffset;
  if (plain.buffer === out.buffer && !apart) throw new RangeError('plain and out must not overlap');
}

function requireDecodeArguments(blob: Uint8Array, maxPlainBytes: number): void {
  requireBytes(blob, 'blob');
  requireInteger(maxPlainBytes, 'maxPlainBytes');
}
