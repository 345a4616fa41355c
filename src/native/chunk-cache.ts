import type { Digest } from '../core/digest.js';
import { addon } from './addon.js';
import { requireBytes, requireDigest, requireInteger } from './check.js';

// One cache for the whole process: decoded chunks by digest, least recently used out first. A reply that uses a chunk
// keeps its bytes, whatever is evicted meanwhile.

const native = addon as {
  setCacheLimit(bytes: number): void;
  cachedChunk(digest: Digest): boolean;
  insertChunk(digest: Digest, plain: Uint8Array): void;
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
