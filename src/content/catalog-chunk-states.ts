import type { Catalog } from '../catalog/open.js';
import { type ChunkStates, type GoneState, MAX_BATCH } from '../chunkstore/chunk-states.js';
import type { Digest } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import type { ChangeLog } from './change-log.js';
import type { Durability, SyncedStore } from './durability.js';

/** What the states are written with. */
export interface CatalogChunkStatesParts {
  readonly catalog: { readonly chunks: Pick<Catalog['chunks'], 'find' | 'setState'> };
  readonly chunks: Pick<SyncedStore, 'sync'>;
  readonly durability: Pick<Durability, 'commitDurably'>;
  readonly log: Pick<ChangeLog, 'requireWorking'>;
}

/** The states of chunks in the catalog, on the thread of its writer; collectors on other threads send it their batches. */
export class CatalogChunkStates implements ChunkStates {
  readonly #parts: CatalogChunkStatesParts;

  constructor(parts: CatalogChunkStatesParts) {
    this.#parts = parts;
  }

  async forget(digests: readonly Digest[], as: GoneState): Promise<void> {
    this.#write(digests, (digest) => this.#parts.catalog.chunks.setState(digest, as));
    // Else a barrier of this thread would ask for a file that it stored and another thread took away.
    await this.#parts.chunks.sync();
    await this.#parts.durability.commitDurably();
  }

  async expire(digests: readonly Digest[]): Promise<void> {
    const { chunks } = this.#parts.catalog;
    this.#write(digests, (digest) => {
      if (chunks.find(digest)?.state === 'quarantined') chunks.setState(digest, 'absent');
    });
    await this.#parts.durability.commitDurably();
  }

  async restore(digests: readonly Digest[]): Promise<void> {
    this.#write(digests, (digest) => this.#parts.catalog.chunks.setState(digest, 'present'));
    await this.#parts.durability.commitDurably();
  }

  #write(digests: readonly Digest[], write: (digest: Digest) => void): void {
    this.#parts.log.requireWorking();
    if (digests.length > MAX_BATCH) throw new CairnError('invalid', `${digests.length} chunks are too many at once`);
    for (const digest of digests) write(digest);
  }
}
