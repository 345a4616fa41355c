import { ChunkStore } from '../../chunkstore/chunk-store.js';
import type { Digest } from '../../core/digest.js';
import type { ReadableDatastore } from '../../datastore/open.js';

/**
 * The chunks of a snapshot job. Holds are per process and outlive a thread, so the job only takes them and tells of each:
 * whoever started it ends them, whatever becomes of the job.
 */
export class JobChunks extends ChunkStore {
  readonly #held: (digest: Digest) => void;

  /**
   * @param atOnce how many chunks are written at the same time
   * @param held told of every hold that is taken
   */
  constructor({ backend, config }: ReadableDatastore, atOnce: number, held: (digest: Digest) => void) {
    super(backend, config.prefixDigits, atOnce);
    this.#held = held;
  }

  override hold(digest: Digest): void {
    super.hold(digest);
    this.#held(digest);
  }

  /** Does nothing: the hold lasts until whoever started the job ends it. */
  override release(_digest: Digest): void {}
}
