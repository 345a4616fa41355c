import type { Backend } from '../backend/backend.js';
import { MAX_CHUNK_BYTES } from '../chunk/limits.js';
import { type Digest, digestHex, sameDigest } from '../core/digest.js';
import { CairnError, kindOf } from '../core/errors.js';
import { decodeBlobSync } from '../native/blob.js';
import { decodeChunk } from '../native/chunk-decoding.js';
import { crc32, sha256, sha256Sync } from '../native/hash.js';
import { ChunkError } from './chunk-error.js';

/** Up to here the way to another thread and back takes longer than the work. */
const SMALL_BYTES = 1024;
/** Magic, CRC32, initialisation vector and tag of an encrypted blob; the CRC32 is over what follows (pbs-format §2.1). */
const ENCRYPTED_HEADER_BYTES = 44;
const CRC_AT = 8;

/**
 * The plain bytes of a chunk's blob; the buffer is the caller's.
 * @throws {ChunkError} where they are not what the digest says; {CairnError} `unsupported` for an encrypted chunk
 */
export async function verifiedPlain(digest: Digest, blob: Uint8Array): Promise<Buffer> {
  if (blob.length > SMALL_BYTES) {
    return namingChunk(digest, () => decodeChunk({ digest, maxPlainBytes: MAX_CHUNK_BYTES }, blob));
  }
  const plain = await namingChunk(digest, () => decodeBlobSync(blob, MAX_CHUNK_BYTES));
  const actual = plain.length <= SMALL_BYTES ? sha256Sync(plain) : await sha256(plain);
  if (sameDigest(actual, digest)) return plain;
  throw new ChunkError(digest, 'corrupt', 'its bytes have another digest');
}

/**
 * Checks a chunk's blob that is to be kept as it is: decoded it has the digest and the length; what is encrypted cannot be
 * judged without its key but by its checksum.
 * @param plainLength what the chunk's plain length has to be, in bytes
 * @throws {ChunkError} where it is damaged
 */
export async function checkBlob(digest: Digest, blob: Uint8Array, plainLength: number): Promise<void> {
  try {
    const { length } = await verifiedPlain(digest, blob);
    if (length === plainLength) return;
    throw new ChunkError(digest, 'corrupt', `it has ${length} bytes, not ${plainLength}`);
  } catch (error) {
    if (kindOf(error) !== 'unsupported') throw error;
    const stated = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength).readUInt32LE(CRC_AT);
    if (crc32(blob.subarray(ENCRYPTED_HEADER_BYTES)) === stated) return;
    throw new ChunkError(digest, 'corrupt', 'CRC32 does not match', { cause: error });
  }
}

/**
 * Reads a chunk's blob and uses it. Where it proves damaged and the backend has it in another place too, that one is used,
 * which then stands in its place.
 * @param use throws a ChunkError where the blob is damaged
 * @throws {CairnError} what reading and `use` give; a place that cannot be asked is not taken for one without the chunk
 */
export async function usingBlob<T>(
  backend: Pick<Backend, 'get' | 'getElsewhere'>,
  name: string,
  use: (blob: Buffer) => Promise<T>,
): Promise<T> {
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
