import type { PackedPiece } from '../../archive/payload.js';
import { PAYLOAD_HEADER_BYTES } from '../../archive/payload-items.js';
import type { ChunkIndex } from '../../index/chunk-index.js';
import { isZeroChunk } from '../payload-bytes.js';
import type { KnownChunks } from './known-chunks.js';

/** Chunks whose proofs are begun before they are asked for. */
const AHEAD = 128;

/** Packed files of an earlier snapshot by where their payload is. Those asked for in rising order are found at once. */
export class PreviousPieces {
  readonly #payload: ChunkIndex;
  #chunk = 0;
  #digest: Uint8Array | undefined;

  constructor(payload: ChunkIndex) {
    this.#payload = payload;
  }

  /** The chunk that holds all of a file of this many bytes; undefined where it is not a piece of one. @throws {RangeError} */
  chunkOf(payloadOffset: number, size: number): number | undefined {
    const index = this.#payload;
    const chunk = this.#find(payloadOffset);
    // A large file's header is a chunk of its own.
    return payloadOffset + PAYLOAD_HEADER_BYTES + size > index.end(chunk) ? undefined : chunk;
  }

  /** @throws {RangeError} */
  pieceAt(payloadOffset: number): PackedPiece {
    const index = this.#payload;
    const before = this.#chunk;
    const chunk = this.#find(payloadOffset);
    // One for all files of a pack: who places them compares it again and again.
    if (chunk !== before || this.#digest === undefined) this.#digest = Uint8Array.from(index.digest(chunk));
    const start = index.start(chunk);
    const contentAt = payloadOffset + PAYLOAD_HEADER_BYTES - start;
    return { digest: this.#digest, chunkLength: index.end(chunk) - start, contentAt };
  }

  #find(offset: number): number {
    const index = this.#payload;
    for (const near of [this.#chunk, this.#chunk + 1]) {
      if (near >= index.count || offset < index.start(near) || offset >= index.end(near)) continue;
      this.#chunk = near;
      return near;
    }
    this.#chunk = index.chunkAt(offset);
    return this.#chunk;
  }
}

/** Proves chunks of an earlier snapshot's payload, some before they are asked for. */
export class PreviousProofs {
  readonly #payload: ChunkIndex;
  readonly #known: Pick<KnownChunks, 'isPresent'>;
  #begun = 0;
  #last = -1;

  constructor(payload: ChunkIndex, known: Pick<KnownChunks, 'isPresent'>) {
    this.#payload = payload;
    this.#known = known;
  }

  /** Whether a chunk is there, by its number; held from now on if so. */
  isPresent(chunk: number): boolean | Promise<boolean> {
    if (chunk === this.#last) return true;
    const end = Math.min(chunk + AHEAD, this.#payload.count);
    for (let ahead = Math.max(this.#begun, chunk + 1); ahead < end; ahead += 1) {
      const proof = this.#ask(ahead);
      // Whoever asks for it hears of it.
      if (proof instanceof Promise) proof.catch(() => undefined);
    }
    this.#begun = Math.max(this.#begun, end);
    const proof = this.#ask(chunk);
    if (proof === true) this.#last = chunk;
    return proof;
  }

  #ask(chunk: number): boolean | Promise<boolean> {
    const index = this.#payload;
    const length = index.end(chunk) - index.start(chunk);
    const digest = index.digest(chunk);
    return isZeroChunk(digest, length) || this.#known.isPresent(Uint8Array.from(digest), length);
  }
}
