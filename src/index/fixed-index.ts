import { createHash } from 'node:crypto';
import { DIGEST_BYTES, type Digest } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import type { ChunkIndex } from './chunk-index.js';
import type { BuiltIndex } from './dynamic-index.js';
import {
  asBuffer,
  checkOffset,
  checkPosition,
  INDEX_HEADER_BYTES,
  type IndexStamp,
  isZeroDigest,
  readIndexHeader,
  readU64,
  writeIndexHeader,
  writeU64,
} from './index-header.js';

const SIZE_AT = 64;
const CHUNK_SIZE_AT = 72;

/** The length of an image and of its chunks, both bytes. */
export interface FixedShape {
  readonly contentLength: number;
  /** A power of two. */
  readonly chunkBytes: number;
}

/**
 * The `.fidx` over these chunks (pbs-format §3).
 * @throws {CairnError} `invalid` unless the chunk size is a power of two and the digests are as many as the
 *   content needs, at least one: an empty image cannot be expressed
 */
export function encodeFixedIndex(stamp: IndexStamp, shape: FixedShape, digests: Iterable<Digest>): BuiltIndex {
  const { contentLength, chunkBytes } = shape;
  const count = Math.ceil(contentLength / chunkBytes);
  if (!isPowerOfTwo(chunkBytes) || !Number.isSafeInteger(contentLength) || count < 1) {
    throw new CairnError('invalid', `No fixed index can have ${contentLength} bytes in chunks of ${chunkBytes}`);
  }
  const bytes = Buffer.alloc(INDEX_HEADER_BYTES + count * DIGEST_BYTES);
  let at = INDEX_HEADER_BYTES;
  for (const digest of digests) {
    if (at === bytes.length) throw new CairnError('invalid', `A fixed index of ${count} chunks was given more`);
    if (digest.length !== DIGEST_BYTES) throw new CairnError('invalid', `A digest of ${digest.length} bytes`);
    bytes.set(digest, at);
    if (isZeroDigest(bytes, at)) throw new CairnError('invalid', 'Cannot list an all-zero digest');
    at += DIGEST_BYTES;
  }
  if (at < bytes.length) throw new CairnError('invalid', `A fixed index of ${count} chunks was given fewer`);
  const checksum = createHash('sha256').update(bytes.subarray(INDEX_HEADER_BYTES)).digest();
  writeIndexHeader(bytes, 'fixed', stamp, checksum);
  writeU64(bytes, contentLength, SIZE_AT);
  writeU64(bytes, chunkBytes, CHUNK_SIZE_AT);
  return { bytes, checksum, contentLength, count };
}

class FixedIndex implements ChunkIndex {
  readonly kind = 'fixed';
  readonly uuid: Uint8Array;
  readonly ctime: number;
  readonly count: number;
  readonly contentLength: number;
  readonly checksum: Digest;
  readonly #file: Buffer;
  readonly #chunkBytes: number;

  constructor(file: Buffer) {
    const { uuid, ctime, checksum } = readIndexHeader(file, 'fixed', DIGEST_BYTES);
    this.uuid = uuid;
    this.ctime = ctime;
    this.checksum = checksum;
    this.count = (file.length - INDEX_HEADER_BYTES) / DIGEST_BYTES;
    this.contentLength = readU64(file, SIZE_AT);
    this.#chunkBytes = readU64(file, CHUNK_SIZE_AT);
    this.#file = file;
    this.#check();
  }

  digest(position: number): Digest {
    checkPosition(position, this.count);
    const at = INDEX_HEADER_BYTES + position * DIGEST_BYTES;
    return this.#file.subarray(at, at + DIGEST_BYTES);
  }

  start(position: number): number {
    checkPosition(position, this.count);
    return position * this.#chunkBytes;
  }

  end(position: number): number {
    checkPosition(position, this.count);
    return Math.min((position + 1) * this.#chunkBytes, this.contentLength);
  }

  chunkAt(offset: number): number {
    checkOffset(offset, this.contentLength);
    return Math.floor(offset / this.#chunkBytes);
  }

  computeChecksum(): Digest {
    return createHash('sha256').update(this.#file.subarray(INDEX_HEADER_BYTES)).digest();
  }

  #check(): void {
    if (!isPowerOfTwo(this.#chunkBytes))
      throw new CairnError('corrupt', 'Index has a chunk size that is no power of two');
    const wanted = Math.ceil(this.contentLength / this.#chunkBytes);
    if (wanted !== this.count) {
      throw new CairnError(
        'corrupt',
        `Index lists ${this.count} chunks; its ${this.contentLength} bytes need ${wanted}`,
      );
    }
    for (let i = 0; i < this.count; i += 1) {
      if (isZeroDigest(this.#file, INDEX_HEADER_BYTES + i * DIGEST_BYTES)) {
        throw new CairnError('corrupt', `Index entry ${i} has an all-zero digest`);
      }
    }
  }
}

/**
 * A `.fidx` from its bytes, which the index keeps and nobody may write to any more. Everything is checked but the
 * checksum (`checksumFits`).
 * @throws {CairnError} `corrupt`, saying what is wrong
 */
export function parseFixedIndex(bytes: Uint8Array): ChunkIndex {
  return new FixedIndex(asBuffer(bytes));
}

function isPowerOfTwo(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1 && (BigInt(value) & BigInt(value - 1)) === 0n;
}
