import type { Digest } from '../core/digest.js';
import { copyCached } from '../native/chunk-cache.js';
import { ChunkError } from './chunk-error.js';
import type { ChunkStore } from './chunk-store.js';

/**
 * The bytes [at, at + length) of a chunk, out of the chunk cache, in a buffer of the caller's. Where others push the chunk
 * out before it can be copied, or the cache is too small for it, it is read past the cache: that is no error.
 * @param plainLength what the chunk's plain length has to be, in bytes
 * @throws {ChunkError} where it is absent or corrupt
 */
export async function readPart(
  chunks: Pick<ChunkStore, 'load' | 'read'>,
  digest: Digest,
  plainLength: number,
  at: number,
  length: number,
): Promise<Buffer> {
  await chunks.load(digest, plainLength);
  const cached = copyCached(digest, at, length);
  if (cached !== undefined) return cached;
  const plain = await chunks.read(digest);
  if (plain.length !== plainLength) {
    throw new ChunkError(digest, 'corrupt', `it has ${plain.length} bytes, not ${plainLength}`);
  }
  // A copy: a view would keep the whole chunk in memory.
  return Buffer.from(plain.subarray(at, at + length));
}
