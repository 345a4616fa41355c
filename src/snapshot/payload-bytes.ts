import { PAYLOAD_HEADER_BYTES, type PayloadPlace } from '../archive/payload-items.js';
import { zeroChunkLength } from '../chunk/zero-chunks.js';
import type { ChunkStore } from '../chunkstore/chunk-store.js';
import { type Digest, digestHex } from '../core/digest.js';
import type { ChunkIndex } from '../index/chunk-index.js';

/** Bytes of chunks being loaded ahead of the place that is read. */
const AHEAD_BYTES = 32 * 1024 * 1024;
/** Bytes of chunks kept because the next file may lie in them, too. */
const KEPT_BYTES = 48 * 1024 * 1024;

/** A piece of a file's content: a piece of a chunk, or zeros that no chunk has to be loaded for. */
export interface PayloadPiece {
  /** Where in the file it starts, bytes. */
  readonly offset: number;
  readonly length: number;
  readonly digest: Digest;
  readonly chunkLength: number;
  /** Where in the chunk it starts. */
  readonly at: number;
  readonly isZeros: boolean;
}

/** Where the bytes of a file are. A view into the index. */
export function* piecesOf(index: ChunkIndex, { offset, size }: PayloadPlace): Generator<PayloadPiece> {
  const start = offset + PAYLOAD_HEADER_BYTES;
  if (size === 0) return;
  for (let i = index.chunkAt(start); i < index.count && index.start(i) < start + size; i += 1) {
    const from = Math.max(start, index.start(i));
    const chunkLength = index.end(i) - index.start(i);
    const digest = index.digest(i);
    const length = Math.min(start + size, index.end(i)) - from;
    yield {
      ...{ offset: from - start, length, digest, chunkLength, at: from - index.start(i) },
      isZeros: isZeroChunk(digest, chunkLength),
    };
  }
}

/** Whether the chunk of this length is one of zeros, which need not be loaded. */
export function isZeroChunk(digest: Digest, length: number): boolean {
  return Number.isInteger(Math.log2(length)) && zeroChunkLength(digest) === length;
}

interface Loaded {
  readonly bytes: Promise<Buffer>;
  readonly length: number;
}

/**
 * Reads files of a payload stream in about the order they lie in it: the chunks behind the one being read are loaded
 * meanwhile, several at once. One reader at a time.
 */
export class PayloadBytes {
  readonly #index: ChunkIndex;
  readonly #chunks: Pick<ChunkStore, 'read'>;
  /** By digest, in the order they were last asked for. */
  readonly #loaded = new Map<string, Loaded>();
  #keptBytes = 0;
  /** The stretch of the stream whose loading was begun. */
  #aheadFrom = 0;
  #aheadTo = 0;

  constructor(index: ChunkIndex, chunks: Pick<ChunkStore, 'read'>) {
    this.#index = index;
    this.#chunks = chunks;
  }

  /**
   * The bytes of a piece; not to be written to.
   * @throws {ChunkError} where its chunk is absent or corrupt
   */
  async bytes({ digest, at, length }: PayloadPiece): Promise<Uint8Array> {
    return (await this.#chunk(digest, at + length)).subarray(at, at + length);
  }

  /** Begins to load what lies in the stream from `offset` on. What goes wrong is told to who reads it. */
  ahead(offset: number): void {
    const isFarEnough = offset >= this.#aheadFrom && offset + AHEAD_BYTES / 2 < this.#aheadTo;
    if (isFarEnough || offset >= this.#index.contentLength) return;
    this.#aheadFrom = offset;
    this.#aheadTo = offset + AHEAD_BYTES;
    const first = this.#index.chunkAt(offset);
    for (let i = first; i < this.#index.count && this.#index.start(i) < this.#aheadTo; i += 1) {
      const length = this.#index.end(i) - this.#index.start(i);
      const digest = this.#index.digest(i);
      if (!isZeroChunk(digest, length)) this.#chunk(digest, length).catch(() => undefined);
    }
  }

  #chunk(digest: Digest, length: number): Promise<Buffer> {
    const key = digestHex(digest);
    const known = this.#loaded.get(key);
    const loaded = known ?? { bytes: this.#chunks.read(Uint8Array.from(digest)), length };
    this.#loaded.delete(key);
    this.#loaded.set(key, loaded);
    if (known === undefined) {
      this.#keptBytes += length;
      this.#dropOldest();
    }
    return loaded.bytes;
  }

  #dropOldest(): void {
    for (const [key, { length }] of this.#loaded) {
      if (this.#keptBytes <= AHEAD_BYTES + KEPT_BYTES) return;
      this.#loaded.delete(key);
      this.#keptBytes -= length;
    }
  }
}
