import type { Backend } from '../backend/backend.js';
import type { ChunkStore } from '../chunkstore/chunk-store.js';
import type { StoreIndex, WritableIndex } from './store-index.js';
import type { TurnsByKey } from './turns-by-key.js';

/** What reading works with. */
export interface ReadParts {
  readonly index: StoreIndex;
  readonly chunks: ChunkStore;
  /** Where the files of objects are; names are relative to the datastore. */
  readonly files: Backend;
  /** Aborted when the store is closed. */
  readonly closing: AbortSignal;
}

/** What writing works with. */
export interface WriteParts extends ReadParts {
  readonly index: WritableIndex;
  /** Chunks of the same store through another way to its backend. */
  chunksOn(backend: Backend): ChunkStore;
  /** One change of an object at a time. */
  readonly turns: TurnsByKey;
  /** Runs what writes a chunk, so that it meets a full disk as everybody else does. */
  storing<T>(insert: () => Promise<T>): Promise<T>;
  /** What is counted nowhere else. */
  readonly counts: { received: number; deleted: number };
}
