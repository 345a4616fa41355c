import { PAYLOAD_HEADER_BYTES, type PayloadPlace } from '../../archive/payload-items.js';
import { PACKED_LIMIT_BYTES } from '../../chunk/limits.js';
import { zeroChunkLength } from '../../chunk/zero-chunks.js';
import type { ChunkStore } from '../../chunkstore/chunk-store.js';
import { areFew } from '../../chunkstore/few-chunks.js';
import { readPart } from '../../chunkstore/read-part.js';
import type { NamedPiece } from '../../content/cloner.js';
import type { ReadPiece } from '../../content/transfer.js';
import type { ByteRange } from '../../core/ranges.js';
import type { ChunkIndex } from '../../index/chunk-index.js';
import { cachedChunk } from '../../native/chunk-cache.js';
import type { Awaitable } from '../api.js';
import { ReadAhead } from './read-ahead.js';
import type { SnapshotPieces } from './snapshot-nodes.js';

/** A piece of a chunk of the payload stream. */
interface PayloadPart {
  readonly digest: Uint8Array;
  readonly chunkLength: number;
  readonly at: number;
  readonly length: number;
  /** A hole: nothing has to be loaded. */
  readonly isZeros: boolean;
}

/** Files' content out of the payload stream of one snapshot; who reads it in order finds the next chunks loaded. */
export class PayloadReader {
  readonly #index: ChunkIndex;
  readonly #chunks: Pick<ChunkStore, 'load' | 'read'>;
  readonly #readAhead: ReadAhead;

  constructor(index: ChunkIndex, chunks: Pick<ChunkStore, 'load' | 'read' | 'readAheadBytes'>) {
    this.#index = index;
    this.#chunks = chunks;
    this.#readAhead = new ReadAhead(chunks.readAheadBytes);
  }

  /** Pieces of the bytes [offset, offset + length) of a file, cut off at its end; chunks among them are cached, or their bytes at hand. */
  read(file: PayloadPlace, offset: number, length: number): Awaitable<readonly ReadPiece[]> {
    const content = file.offset + PAYLOAD_HEADER_BYTES;
    const start = content + Math.min(offset, file.size);
    const end = content + Math.min(offset + length, file.size);
    if (start === end) return [];
    const parts = this.#parts(start, end);
    // What is waited for is asked for first.
    const pieces = parts.some(isMissing) ? this.#load(parts) : parts.map((part) => pieceOf(part));
    const ahead = this.#readAhead.next(start, end, offset === 0 && length < file.size);
    if (ahead !== undefined) this.#loadAhead(ahead);
    return pieces;
  }

  /** Where the bytes [offset, offset + length) of a file lie, in `most` chunks at most; nothing is loaded. */
  pieces(file: PayloadPlace, offset: number, length: number, most: number): SnapshotPieces {
    const content = file.offset + PAYLOAD_HEADER_BYTES;
    const end = Math.min(offset + length, file.size);
    const pieces: NamedPiece[] = [];
    let found = 0;
    for (const part of this.#parts(content + offset, content + Math.max(offset, end), most)) {
      const { digest, chunkLength, at } = part;
      if (!part.isZeros) pieces.push({ offset: found, length: part.length, digest, at, chunkLength });
      found += part.length;
    }
    const [only] = pieces;
    const isWhole = offset === 0 && found === file.size && only?.length === found;
    const isPacked = isWhole && found < PACKED_LIMIT_BYTES && only.at >= PAYLOAD_HEADER_BYTES;
    return { length: found, pieces, isPacked };
  }

  /**
   * Few chunks are loaded first, and handed on as the cache has them. What is more, or has left the cache by then, is kept for this
   * very read: others may push it out of the cache before all is there.
   */
  async #load(parts: readonly PayloadPart[]): Promise<readonly ReadPiece[]> {
    const kept = new Map<PayloadPart, Buffer>();
    const load = (part: PayloadPart) => this.#chunks.load(part.digest, part.chunkLength);
    const keep = async (part: PayloadPart) => {
      kept.set(part, await readPart(this.#chunks, part.digest, part.chunkLength, part.at, part.length));
    };
    for (let turn = 0; ; turn += 1) {
      const missing = parts.filter((part) => isMissing(part) && !kept.has(part));
      if (missing.length === 0) return parts.map((part) => pieceOf(part, kept.get(part)));
      const straight = turn === 0 && areFew(missing.map(({ chunkLength }) => chunkLength));
      await Promise.all(missing.map(straight ? load : keep));
    }
  }

  #loadAhead({ start, end }: ByteRange): void {
    for (const part of this.#parts(start, Math.min(end, this.#index.contentLength))) {
      // Large files' headers have chunks of their own, which nobody reads.
      if (part.chunkLength === PAYLOAD_HEADER_BYTES || !isMissing(part)) continue;
      // What goes wrong is told to whoever reads it.
      this.#chunks.load(part.digest, part.chunkLength).catch(() => undefined);
    }
  }

  #parts(start: number, end: number, most = Infinity): PayloadPart[] {
    const index = this.#index;
    const parts: PayloadPart[] = [];
    if (start >= end) return parts;
    for (let i = index.chunkAt(start); i < index.count && index.start(i) < end && parts.length < most; i += 1) {
      const from = Math.max(start, index.start(i));
      const length = Math.min(end, index.end(i)) - from;
      const digest = index.digest(i);
      const chunkLength = index.end(i) - index.start(i);
      const isZeros = isPowerOfTwo(chunkLength) && zeroChunkLength(digest) === chunkLength;
      parts.push({ digest, chunkLength, at: from - index.start(i), length, isZeros });
    }
    return parts;
  }
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}

function isMissing({ digest, isZeros }: PayloadPart): boolean {
  return !isZeros && !cachedChunk(digest);
}

function pieceOf({ digest, at, length, isZeros }: PayloadPart, bytes?: Buffer): ReadPiece {
  if (bytes !== undefined) return { kind: 'bytes', length, bytes };
  return isZeros ? { kind: 'zeros', length } : { kind: 'chunk', length, digest, at };
}
