import type { ChunkExtent } from '../catalog/extent.js';
import type { ChunkStore } from '../chunkstore/chunk-store.js';
import type { Digest } from '../core/digest.js';
import type { Draft } from '../native/draft.js';
import type { Room } from './room.js';

/** What the catalog knows of a chunk that may be used again. */
export interface KnownChunk {
  readonly length: number;
  readonly stored: number;
}

/** What a sink asks the catalog, and tells it. */
export interface SinkCatalog {
  /** The chunk, if it is known, as far as committed with a barrier before, and not known to be absent or bad. */
  findPresent(digest: Digest): KnownChunk | undefined;
  /** The chunk was written anew, but is not durable yet: where it was known to be bad it will be no more. */
  rewritten(digest: Digest, length: number, stored: number): Promise<void>;
}

/**
 * Brings chunks into the store: one that is known and proves present is touched and used again, any other is
 * encoded and written. The digest is held from before the look-up until the caller releases it, which it does once
 * a durable row names the chunk (design §3, "known means durable or held").
 */
export class ChunkSink {
  readonly #chunks: ChunkStore;
  readonly #room: Pick<Room, 'storing'> | undefined;
  readonly #catalog: SinkCatalog;
  readonly #named: Digest[] = [];

  constructor(chunks: ChunkStore, catalog: SinkCatalog, room?: Pick<Room, 'storing'>) {
    this.#chunks = chunks;
    this.#room = room;
    this.#catalog = catalog;
  }

  /**
   * Stores the bytes [start, end) of the draft, whose SHA-256 is `digest`, and says where they are; `offset` and
   * `length` of the extent are those of the whole chunk, placed at `start`.
   * The range must not change until this settles. The digest stays held.
   */
  async store(draft: Draft, start: number, end: number, digest: Digest): Promise<ChunkExtent> {
    const length = end - start;
    this.#chunks.hold(digest);
    try {
      const storedLength = (await this.#reuse(digest, length)) ?? (await this.#insert(draft, start, end, digest));
      return { kind: 'chunk', offset: start, length, digest, at: 0, chunkLength: length, storedLength };
    } catch (error) {
      this.#chunks.release(digest);
      throw error;
    }
  }

  /**
   * Holds a chunk that is known and not known to be absent or bad, as something that keeps it names it already.
   * @returns undefined, and nothing is held, where it is not, or is not of this plain length in bytes
   */
  holdKnown(digest: Digest, length: number): KnownChunk | undefined {
    this.#chunks.hold(digest);
    const known = this.#catalog.findPresent(digest);
    if (known?.length === length) return known;
    this.#chunks.release(digest);
    return undefined;
  }

  /** Ends the hold `store` or `holdKnown` took of a chunk that no change names after all. */
  release(digest: Digest): void {
    this.#chunks.release(digest);
  }

  /** A change names the chunk now: its hold ends when that change is committed. */
  named(digest: Digest): void {
    this.#named.push(digest);
  }

  /** The chunks named so far, to be released once the commit that is coming has returned. */
  takeNamed(): Digest[] {
    return this.#named.splice(0);
  }

  async #insert(draft: Draft, start: number, end: number, digest: Digest): Promise<number> {
    const length = end - start;
    const encode = (out: Uint8Array, level: number) => draft.encode(start, end, out, level);
    const insert = () => this.#chunks.insert(digest, { length, encode });
    const stored = await (this.#room === undefined ? insert() : this.#room.storing(insert));
    await this.#catalog.rewritten(digest, length, stored);
    return stored;
  }

  #reuse(digest: Digest, length: number): Promise<number | undefined> {
    return this.#chunks.reuse(digest, () => {
      const known = this.#catalog.findPresent(digest);
      return known?.length === length ? known.stored : undefined;
    });
  }
}
