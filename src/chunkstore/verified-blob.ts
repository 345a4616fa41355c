import type { Backend } from '../backend/backend.js';
import { MAX_CHUNK_BYTES } from '../chunk/limits.js';
import { type Digest, digestHex, sameDigest } from '../core/digest.js';
import { CairnError, kindOf } from '../core/errors.js';
import { decodeBlob, decodeBlobSync } from '../native/blob.js';
import { sha256, sha256Sync } from '../native/hash.js';
import { ChunkError } from './chunk-error.js';

/** Up to here the way to another thread and back takes longer than the work. */
const SMALL_BYTES = 1024;

/**
 * The plain bytes of a chunk's blob; the buffer is the caller's.
 * @throws {ChunkError} where they are not what the digest says; {CairnError} `unsupported` for an encrypted chunk
 */
export async function verifiedPlain(digest: Digest, blob: Uint8Array): Promise<Buffer> {
  const plain = await namingChunk(digest, () =>
    blob.length <= SMALL_BYTES ? decodeBlobSync(blob, MAX_CHUNK_BYTES) : decodeBlob(blob, MAX_CHUNK_BYTES),
  );
  const actual = plain.length <= SMALL_BYTES ? sha256Sync(plain) : await sha256(plain);
  if (sameDigest(actual, digest)) return plain;
  throw new ChunkError(digest, 'corrupt', 'its bytes have another digest');
}

/**
 * Reads a chunk's blob and uses it. Where it proves damaged and the backend has it in another place too, that one is used,
 * which then stands in its place.
 * @param use throws a ChunkError where the blob is damaged
 * @throws {CairnError} what reading and `use` give; a place that cannot be asked is not taken for one without the chunk
 */
export async function usingBlob<T>(backend: Backend, name: string, use: (blob: Buffer) => Promise<T>): Promise<T> {
  const blob = await backend.get(name);
  try {
    return await use(blob);
  } catch (damage) {
    if (!(damage instanceof ChunkError) || backend.getElsewhere === undefined) throw damage;
    const other = await backend.getElsewhere(name).catch((error: unknown) => {
      throw kindOf(error) === 'not-found' ? damage : error;
    });
    return use(other);
  }
}

/** Says which chunk it is whose bytes are bad. */
export async function namingChunk<T>(digest: Digest, decode: () => T | Promise<T>): Promise<T> {
  try {
    return await decode();
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    if (error.kind === 'corrupt') throw new ChunkError(digest, 'corrupt', error.message, { cause: error });
    throw new CairnError(error.kind, `Chunk ${digestHex(digest)}: ${error.message}`, { cause: error });
  }
}
