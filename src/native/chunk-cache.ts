import type { Digest } from '../core/digest.js';
import { digestHex } from '../core/digest.js';
import { addon } from './addon.js';
import { fromAddonError } from './addon-error.js';
import { requireBytes, requireDigest, requireInteger } from './check.js';

// One cache for the whole process: decoded chunks by digest, least recently used out first. A reply that uses a chunk
// keeps its bytes, whatever is evicted meanwhile.

const native = addon as {
  setCacheLimit(bytes: number): void;
  cachedChunk(digest: Digest): boolean;
  insertChunk(digest: Digest, plain: Uint8Array): void;
  decodeIntoCache(
    digest: Digest,
    blob: Uint8Array,
    maxPlainBytes: number,
    plainLength: number | undefined,
  ): Promise<number>;
  copyCached(digest: Digest, at: number, length: number): Buffer | undefined;
  dropCached(digest: Digest): void;
  cacheBytes(): number;
};

/** Bounds the plain bytes kept, evicting at once what is too much. Until it is called: 256 MiB. */
export function setCacheLimit(bytes: number): void {
  requireInteger(bytes, 'bytes');
  native.setCacheLimit(bytes);
}

/** Whether the chunk is in the cache; does not count as a use. */
export function cachedChunk(digest: Digest): boolean {
  requireDigest(digest);
  return native.cachedChunk(digest);
}

/** Puts a copy of the chunk's bytes in. The caller vouches that `plain` is what `digest` names. */
export function insertChunk(digest: Digest, plain: Uint8Array): void {
  requireDigest(digest);
  requireBytes(plain, 'plain');
  native.insertChunk(digest, plain);
}

/**
 * Decodes a chunk's blob on a pool thread, checks CRC32, SHA-256 and length, and puts the bytes into the cache. Until
 * then `blob` may not be written to.
 * @param maxPlainBytes more than this is taken as damage
 * @param plainLength the length an index states, where known
 * @returns the chunk's plain length in bytes
 * @throws {CairnError} `corrupt` where the blob is damaged or another chunk's, `unsupported` where it is encrypted
 */
export async function decodeIntoCache(
  digest: Digest,
  blob: Uint8Array,
  maxPlainBytes: number,
  plainLength: number | undefined,
): Promise<number> {
  requireDigest(digest);
  requireBytes(blob, 'blob');
  requireInteger(maxPlainBytes, 'maxPlainBytes');
  if (plainLength !== undefined) requireInteger(plainLength, 'plainLength');
  try {
    return await native.decodeIntoCache(digest, blob, maxPlainBytes, plainLength);
  } catch (error) {
    throw fromAddonError(error, `chunk ${digestHex(digest)}`);
  }
}

/**
 * A copy of [at, at + length) of the chunk, or undefined where it is not in the cache.
 * @throws {RangeError} where that reaches beyond the chunk
 */
export function copyCached(digest: Digest, at: number, length: number): Buffer | undefined {
  requireDigest(digest);
  requireInteger(at, 'at');
  requireInteger(length, 'length');
  return native.copyCached(digest, at, length);
}

/** Takes the chunk out, if it is in. */
export function dropCached(digest: Digest): void {
  requireDigest(digest);
  native.dropCached(digest);
}

/** Plain bytes in the cache; the memory set aside for them is up to an eighth more. */
export function cacheBytes(): number {
  return native.cacheBytes();
}
