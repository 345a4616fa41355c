import type { Catalog } from '../catalog/open.js';
import { MAX_BATCH, slices } from '../chunkstore/batches.js';
import type { ChunkStates, GoneState, StateChange } from '../chunkstore/chunk-states.js';
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

/** How the writer's thread has other things done between two steps; given in tests only. */
export interface StateTurns {
  readonly rowsPerTurn: number;
  turn(): Promise<void>;
}

const REAL_TURNS: StateTurns = {
  rowsPerTurn: 250,
  turn: () =>
    new Promise((resolve) => {
      setImmediate(resolve);
    }),
};

/**
 * The states of chunks in the catalog, on the thread of its writer. Collectors on other threads have `write` called for each
 * part of a batch, and `commit` at its end.
 */
export class CatalogChunkStates implements ChunkStates {
  readonly #parts: CatalogChunkStatesParts;
  readonly #turns: StateTurns;

  constructor(parts: CatalogChunkStatesParts, turns: StateTurns = REAL_TURNS) {
    this.#parts = parts;
    this.#turns = turns;
  }

  async forget(digests: readonly Digest[], as: GoneState): Promise<void> {
    await this.#change(digests, as);
  }

  async expire(digests: readonly Digest[]): Promise<void> {
    await this.#change(digests, 'expired');
  }

  async restore(digests: readonly Digest[]): Promise<void> {
    await this.#change(digests, 'present');
  }

  /** Writes states in turns with requests. Whoever asks from then on sees them; a power cut takes them until `commit`. */
  async write(digests: readonly Digest[], to: StateChange): Promise<void> {
    const { log, catalog } = this.#parts;
    log.requireWorking();
    if (digests.length > MAX_BATCH) throw new CairnError('invalid', `${digests.length} chunks are too many at once`);
    let isFirst = true;
    for (const slice of slices(digests, this.#turns.rowsPerTurn)) {
      if (!isFirst) await this.#turns.turn();
      isFirst = false;
      log.requireWorking();
      for (const digest of slice) setState(catalog.chunks, digest, to);
    }
  }

  /** Makes durable what was written before, as `ChunkStates` says. */
  async commit(): Promise<void> {
    // Else a barrier of this thread would ask for a file that it stored and another thread took away.
    await this.#parts.chunks.sync();
    await this.#parts.durability.commitDurably();
  }

  async #change(digests: readonly Digest[], to: StateChange): Promise<void> {
    await this.write(digests, to);
    await this.commit();
  }
}

function setState(chunks: CatalogChunkStatesParts['catalog']['chunks'], digest: Digest, to: StateChange): void {
  if (to !== 'expired') chunks.setState(digest, to);
  else if (chunks.find(digest)?.state === 'quarantined') chunks.setState(digest, 'absent');
}
