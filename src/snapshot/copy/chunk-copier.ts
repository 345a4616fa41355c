import { ChunkError } from '../../chunkstore/chunk-error.js';
import type { ChunkStore } from '../../chunkstore/chunk-store.js';
import { processGuards } from '../../chunkstore/guards.js';
import type { ReadableDatastore } from '../../datastore/open.js';
import { writingChunks } from '../../datastore/writing-chunks.js';
import { HoldScope } from '../../native/holds.js';
import { JobChunks } from '../create/job-chunks.js';
import type { WrittenChunk } from '../create/job-protocol.js';
import type { Bandwidth } from './bandwidth.js';
import type { CopySource } from './copy-source.js';
import type { ListedChunk } from './snapshot-contents.js';

/** Chunks read and written at the same time, of 16 MiB at most: from an object store each takes a while. */
const AT_ONCE = 16;
/** Chunks told of as soon as they are so many, or bytes, or waited so long: what is stored since then a killed copy reads again. */
const TOLD_CHUNKS = 500;
const TOLD_BYTES = 64 * 1024 * 1024;
const TOLD_MS = 2000;

/** What a copier works with. */
export interface CopierParts {
  readonly source: Pick<CopySource, 'readBlob'>;
  readonly target: ReadableDatastore;
  readonly bandwidth: Bandwidth;
  /** Told of chunks that are stored and durable. */
  onStored(chunks: readonly WrittenChunk[]): void;
}

/** Brings chunks of snapshots or objects into the target: those that are not there, verified on the way, each as it is stored. */
export class ChunkCopier {
  readonly #parts: CopierParts;
  readonly #store: ChunkStore;
  readonly #known: JobChunks;
  #untold: WrittenChunk[] = [];
  #untoldBytes = 0;
  #toldAt = performance.now();
  #telling: Promise<void> = Promise.resolve();
  /** What was copied, and plain bytes of all that was looked at. */
  readonly counts = { chunks: 0, bytes: 0, passedBytes: 0 };

  /** @param holds scope that keeps collectors from the chunks; it ends with whoever opened it */
  constructor(parts: CopierParts, holds: number) {
    this.#parts = parts;
    const guards = processGuards(HoldScope.of(holds));
    this.#store = writingChunks(parts.target, { guards });
    this.#known = new JobChunks(this.#store, parts.target.catalog);
  }

  /** What the target's store did. */
  get work(): ChunkStore['counters'] {
    return { ...this.#store.counters };
  }

  /**
   * Copies them, in any order; when it resolves all are held, durable and told of.
   * @param onUnreadable told of one that the source has damaged or not at all; all others are copied then
   * @throws {ChunkError} for such a one where nobody is told; what is under way then is brought to its end
   */
  async copy<C extends ListedChunk>(
    chunks: Iterable<C>,
    onUnreadable?: (chunk: C, error: ChunkError) => void,
  ): Promise<void> {
    const iterator = chunks[Symbol.iterator]();
    let failed = false;
    const work = async (): Promise<void> => {
      for (let next = iterator.next(); !failed && next.done !== true; next = iterator.next()) {
        try {
          await this.#copy(next.value);
        } catch (error) {
          if (onUnreadable !== undefined && error instanceof ChunkError) {
            onUnreadable(next.value, error);
            continue;
          }
          failed = true;
          throw error;
        }
      }
    };
    const outcomes = await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
    await this.#tell();
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  async #copy({ digest, length }: ListedChunk): Promise<void> {
    if ((await this.#known.usePresent(digest, length)) === undefined) {
      const blob = await this.#parts.source.readBlob(digest, length);
      await this.#parts.bandwidth.spend(blob.length);
      const stored = await this.#store.insertBlob(digest, blob, length);
      this.counts.chunks += 1;
      this.counts.bytes += stored;
      this.#untold.push({ digest: Uint8Array.from(digest), length, stored });
      this.#untoldBytes += stored;
    }
    this.counts.passedBytes += length;
    const isMuch = this.#untold.length >= TOLD_CHUNKS || this.#untoldBytes >= TOLD_BYTES;
    if (isMuch || performance.now() - this.#toldAt >= TOLD_MS) await this.#tell();
  }

  /** One barrier at a time; what is stored meanwhile waits for the next. */
  #tell(): Promise<void> {
    const chunks = this.#untold;
    this.#untold = [];
    this.#untoldBytes = 0;
    this.#toldAt = performance.now();
    this.#telling = this.#telling.then(async () => {
      if (chunks.length === 0) return;
      await this.#store.sync();
      this.#parts.onStored(chunks);
    });
    return this.#telling;
  }
}
