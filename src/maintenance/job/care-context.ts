import type { CatalogReader } from '../../catalog/open-reader.js';
import { ChunkCare } from '../../chunkstore/chunk-care.js';
import { ChunkStore } from '../../chunkstore/chunk-store.js';
import { CairnError } from '../../core/errors.js';
import type { Clock } from '../../core/time.js';
import type { Spread, SpreadPlaces } from '../../datastore/object-store.js';
import type { ReadableDatastore } from '../../datastore/open.js';
import type { CareWrites, JobProgress } from './care-writes.js';
import type { Pace } from './pace.js';

/** A place for files that are restored only to be looked at. Names are ours; offsets and lengths in bytes. */
export interface Scratch {
  write(name: string, offset: number, bytes: Uint8Array): Promise<void>;
  /** Gives the file a length: what was not written of it is zeros. */
  setLength(name: string, length: number): Promise<void>;
  /** Shorter only where the file ends. */
  read(name: string, offset: number, length: number): Promise<Uint8Array>;
  remove(name: string): Promise<void>;
}

/** What every job of this room works with. */
export interface CareContext {
  /** The datastore's folder. */
  readonly store: string;
  readonly catalog: CatalogReader;
  readonly chunks: ChunkStore;
  readonly care: ChunkCare;
  /** Names of objects below a folder of the store, e.g. `.chunks/a9`, and the size of one in bytes. */
  readonly objects: ReadableDatastore['backend'];
  /** The backends that have them, where there are several. */
  readonly spread: Spread | undefined;
  /** Where their pieces were put and last seen. */
  readonly shards: SpreadPlaces['shards'] | undefined;
  readonly paths: ReadableDatastore['paths'];
  readonly prefixDigits: ReadableDatastore['config']['prefixDigits'];
  readonly writes: CareWrites;
  readonly pace: Pace;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly scratch: Scratch;
  progress(progress: JobProgress): void;
}

/** Chunks a job inserts at the same time. */
const INSERTS_AT_ONCE = 2;

/** The context of a job over an open datastore; stores of its own, so that counters and buffers of the mount are not used. */
export function careContext(
  { backend, spread, config, paths, catalog }: ReadableDatastore,
  rest: Pick<CareContext, 'writes' | 'pace' | 'clock' | 'signal' | 'scratch' | 'progress'>,
): CareContext {
  const chunks = new ChunkStore(backend, config.prefixDigits, { atOnce: INSERTS_AT_ONCE });
  return {
    store: paths.root,
    catalog,
    chunks,
    care: new ChunkCare(backend, config.prefixDigits, chunks),
    objects: backend,
    spread: spread?.spread,
    shards: spread?.shards,
    paths,
    prefixDigits: config.prefixDigits,
    ...rest,
  };
}

/** @throws {CairnError} `interrupted` once the job is to end */
export function requireWanted(signal: AbortSignal): void {
  if (signal.aborted) throw new CairnError('interrupted', 'Given up');
}

/** Lets timers and messages have their turn between two steps that run long without waiting. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
