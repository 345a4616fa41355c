import { createHash } from 'node:crypto';
import { DIGEST_BYTES, type Digest } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import type { ChunkIndex } from './chunk-index.js';
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

/** An entry is the end of its chunk in the stream (u64) and the digest (pbs-format §4). */
const ENTRY_BYTES = 8 + DIGEST_BYTES;
const BLOCK_BYTES = 16_384 * ENTRY_BYTES;

/** A finished index file and what a manifest says of it. */
export interface BuiltIndex {
  readonly bytes: Buffer;
  readonly checksum: Digest;
  readonly contentLength: number;
  readonly count: number;
}

/**
 * Collects the chunks of one stream in order and makes a `.didx` of them. Entries are kept as they will be on
 * disk, 40 bytes each, and hashed as they come.
 */
export class DynamicIndexBuilder {
  readonly #full: Buffer[] = [];
  readonly #hash = createHash('sha256');
  #block = Buffer.allocUnsafe(BLOCK_BYTES);
  #used = 0;
  #contentLength = 0;

  /** How many chunks were appended. */
  get count(): number {
    return (this.#full.length * BLOCK_BYTES + this.#used) / ENTRY_BYTES;
  }

  /** Length in bytes of the stream so far: where the next chunk starts. */
  get contentLength(): number {
    return this.#contentLength;
  }

  /**
   * Lists the next chunk; the digest is copied.
   * @param length plain length of the chunk in bytes, at least 1
   * @throws {CairnError} `invalid` for a length or digest no index may have
   */
  append(digest: Digest, length: number): void {
    const end = this.#contentLength + length;
    if (!Number.isSafeInteger(end) || length < 1 || digest.length !== DIGEST_BYTES) {
      throw new CairnError('invalid', `Cannot list a chunk of ${length} bytes with a digest of ${digest.length}`);
    }
    if (this.#used === BLOCK_BYTES) this.#startBlock();
    writeU64(this.#block, end, this.#used);
    this.#block.set(digest, this.#used + 8);
    if (isZeroDigest(this.#block, this.#used + 8)) throw new CairnError('invalid', 'Cannot list an all-zero digest');
    this.#used += ENTRY_BYTES;
    this.#contentLength = end;
  }

  /**
   * The index file. The builder is used up.
   * @throws {CairnError} `invalid` where no chunk was appended: such a file cannot be opened
   */
  finish(stamp: IndexStamp): BuiltIndex {
    const count = this.count;
    if (count === 0) throw new CairnError('invalid', 'An index must list at least one chunk');
    const last = this.#block.subarray(0, this.#used);
    const checksum = this.#hash.update(last).digest();
    const header = Buffer.alloc(INDEX_HEADER_BYTES);
    writeIndexHeader(header, 'dynamic', stamp, checksum);
    // Twice 40 MB for a million chunks, unless what they were gathered in goes.
    const bytes = Buffer.concat([header, ...this.#full.splice(0), last]);
    return { bytes, checksum, contentLength: this.#contentLength, count };
  }

  #startBlock(): void {
    this.#hash.update(this.#block);
    this.#full.push(this.#block);
    this.#block = Buffer.allocUnsafe(BLOCK_BYTES);
    this.#used = 0;
  }
}

/** One entry as the file has it. */
export interface DynamicEntry {
  /** Where the chunk ends in the stream: bytes, exclusive. */
  readonly end: number;
  readonly digest: Digest;
}

/**
 * The index file over these chunks.
 * @throws {CairnError} `invalid` unless there is an entry and the ends strictly rise
 */
export function encodeDynamicIndex(stamp: IndexStamp, entries: Iterable<DynamicEntry>): BuiltIndex {
  const builder = new DynamicIndexBuilder();
  for (const { end, digest } of entries) builder.append(digest, end - builder.contentLength);
  return builder.finish(stamp);
}

class DynamicIndex implements ChunkIndex {
  readonly kind = 'dynamic';
  readonly uuid: Uint8Array;
  readonly ctime: number;
  readonly count: number;
  readonly contentLength: number;
  readonly checksum: Digest;
  readonly #file: Buffer;

  constructor(file: Buffer) {
    const { uuid, ctime, checksum } = readIndexHeader(file, 'dynamic', ENTRY_BYTES);
    this.uuid = uuid;
    this.ctime = ctime;
    this.checksum = checksum;
    this.count = (file.length - INDEX_HEADER_BYTES) / ENTRY_BYTES;
    this.#file = file;
    this.contentLength = this.#checkEntries();
  }

  digest(position: number): Digest {
    checkPosition(position, this.count);
    const at = INDEX_HEADER_BYTES + position * ENTRY_BYTES + 8;
    return this.#file.subarray(at, at + DIGEST_BYTES);
  }

  start(position: number): number {
    checkPosition(position, this.count);
    return position === 0 ? 0 : this.#end(position - 1);
  }

  end(position: number): number {
    checkPosition(position, this.count);
    return this.#end(position);
  }

  chunkAt(offset: number): number {
    checkOffset(offset, this.contentLength);
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#end(middle) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  computeChecksum(): Digest {
    return createHash('sha256').update(this.#file.subarray(INDEX_HEADER_BYTES)).digest();
  }

  #end(position: number): number {
    return readU64(this.#file, INDEX_HEADER_BYTES + position * ENTRY_BYTES);
  }

  /** Checks what PBS leaves unchecked (pbs-format §11); answers the content length. */
  #checkEntries(): number {
    let start = 0;
    for (let i = 0; i < this.count; i += 1) {
      const end = this.#end(i);
      if (end <= start || end === Number.POSITIVE_INFINITY) {
        throw new CairnError('corrupt', `Index entry ${i} ends at ${end}, the one before it at ${start}`);
      }
      if (isZeroDigest(this.#file, INDEX_HEADER_BYTES + i * ENTRY_BYTES + 8)) {
        throw new CairnError('corrupt', `Index entry ${i} has an all-zero digest`);
      }
      start = end;
    }
    return start;
  }
}

/**
 * A `.didx` from its bytes, which the index keeps and nobody may write to any more. Everything is checked but the
 * checksum (`checksumFits`).
 * @throws {CairnError} `corrupt`, saying what is wrong
 */
export function parseDynamicIndex(bytes: Uint8Array): ChunkIndex {
  return new DynamicIndex(asBuffer(bytes));
}
