import type { CatalogReader } from '../../catalog/open-reader.js';
import type { ChunkStore } from '../../chunkstore/chunk-store.js';
import { presentChunk } from '../../content/open-live-store.js';
import { type Digest, digestHex } from '../../core/digest.js';
import type { WrittenChunk } from './job-protocol.js';

/**
 * Brings a job's chunks into the store. What may be used again is asked of the last commit: anything else may have been
 * stored by a thread whose barrier this one knows nothing of.
 */
export class JobChunks {
  readonly #chunks: ChunkStore;
  readonly #now: Pick<CatalogReader, 'chunks'>;
  readonly #written = new Map<string, WrittenChunk>();

  /** @param now shows the last commit */
  constructor(chunks: ChunkStore, now: Pick<CatalogReader, 'chunks'>) {
    this.#chunks = chunks;
    this.#now = now;
  }

  /** What was written so far. */
  get written(): readonly WrittenChunk[] {
    return [...this.#written.values()];
  }

  noteWritten(digest: Digest, length: number, stored: number): void {
    this.#written.set(digestHex(digest), { digest, length, stored });
  }

  /**
   * The bytes are in the store when it resolves, and held. They are left alone until then.
   * @returns length of the chunk's blob in bytes
   */
  async store(digest: Digest, bytes: Uint8Array): Promise<number> {
    const before = this.#written.get(digestHex(digest));
    if (before !== undefined) return before.stored;
    const present = await this.usePresent(digest, bytes.length);
    if (present !== undefined) return present;
    const stored = await this.#chunks.insertBytes(digest, bytes);
    this.noteWritten(digest, bytes.length, stored);
    return stored;
  }

  /** Holds a chunk and proves that it is there, with this plain length; the length of its blob, undefined where it is not. */
  usePresent(digest: Digest, length: number): Promise<number | undefined> {
    this.#chunks.hold(digest);
    return this.#chunks.reuse(digest, () => {
      const chunk = presentChunk(this.#now.chunks, digest);
      return chunk?.length === length ? chunk.stored : undefined;
    });
  }
}
