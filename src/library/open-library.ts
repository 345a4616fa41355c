import { FsBackend } from '../backend/fs/fs-backend.js';
import { type CatalogReader, openCatalogReader } from '../catalog/open-reader.js';
import type { Transactions } from '../catalog/transactions.js';
import { ChunkStore } from '../chunkstore/chunk-store.js';
import type { Checkpoints } from '../content/open-live-store.js';
import { type Log, silentLog } from '../core/log.js';
import { CatalogCheckpoints } from '../daemon/catalog-checkpoints.js';
import { GcService } from '../daemon/gc-service.js';
import { UnmountedCollection } from '../daemon/unmounted-collection.js';
import { type OpenUnmounted, openUnmounted } from '../daemon/unmounted-store.js';
import { createDatastore } from '../datastore/create.js';
import { openDatastoreReader, type ReadableDatastore, type WritableDatastore } from '../datastore/open.js';
import { trackObjects } from '../maintenance/rebuild/track-objects.js';
import type { CollectOptions, CollectResult, Library, NewBackend, ReadableLibrary } from './api.js';
import { type BackendSource, backendOperations } from './backend-operations.js';
import { backendChanges, checkedBackend } from './change-backends.js';
import { changesDuring } from './changes.js';
import { chunkReads } from './chunk-operations.js';
import { eitherSignal } from './interruption.js';
import { oneBackend } from './one-backend.js';
import { OpenWork } from './open-work.js';
import { objectReads } from './read-objects.js';
import { spreadBackends } from './spread-backends.js';
import { readOnlyIndex, sqliteIndex } from './sqlite-index.js';
import type { WriteParts } from './store-parts.js';
import { TurnsByKey } from './turns-by-key.js';

/** How a store is opened. */
export interface OpenLibraryOptions {
  /** Where it is told what happened; default: nowhere. pino fits. */
  readonly log?: Log | undefined;
}

/** How a store is made. */
export interface CreateLibraryOptions extends OpenLibraryOptions {
  /** The backends chunks are spread over, at least as many as the redundancy takes; default: the folder has them. */
  readonly backends?: readonly NewBackend[] | undefined;
  /** `single`, `mirror:N` or `ec:K+M`; default: `single`. */
  readonly redundancy?: string | undefined;
  /** Room set aside for the time when the disk is full; default 64 MiB. */
  readonly reserveBytes?: number | undefined;
}

/**
 * Makes a datastore in a folder that is absent or empty, and opens it.
 * @throws {CairnError} `exists` where there is a datastore, `not-empty` where there is anything else
 */
export async function createLibrary(path: string, options: CreateLibraryOptions = {}): Promise<Library> {
  const { reserveBytes, backends = [], redundancy } = options;
  await createDatastore(path, {
    ...(reserveBytes !== undefined && { reserveBytes }),
    ...(backends.length > 0 && { spread: { backends: backends.map(checkedBackend), redundancy } }),
  });
  return openLibrary(path, options);
}

/**
 * Opens a datastore for reading and writing. One process may at a time, and no mount meanwhile.
 * @throws {CairnError} `not-found` where there is none, `busy` where another process has it
 */
export async function openLibrary(path: string, { log = silentLog }: OpenLibraryOptions = {}): Promise<Library> {
  const checkpoints = new LateCheckpoints();
  const opened = await openUnmounted(path, log, 'open', checkpoints);
  try {
    await alignObjects(opened, log);
    const { catalog } = opened.datastore.paths;
    checkpoints.start(new CatalogCheckpoints(catalog, log));
    return await writableLibrary(opened, openCatalogReader(catalog), checkpoints, log);
  } catch (error) {
    await checkpoints.end();
    opened.close();
    throw error;
  }
}

/** Puts and deletions that a crash broke off are ended, and what they left goes. */
async function alignObjects({ datastore, live }: OpenUnmounted, log: Log): Promise<void> {
  const { catalog, paths } = datastore;
  const { signal } = new AbortController();
  const commit = (): Promise<void> => live.durability.commitDurably();
  const { unreadable } = await trackObjects({ store: paths.root, catalog, commit, signal });
  for (const { path: record, reason } of unreadable) log.warn({ record }, `An object cannot be read: ${reason}`);
}

/**
 * Opens a datastore for reading, whoever else has it open or mounted. It sees what was committed.
 * @throws {CairnError} `not-found`, `unsupported`, `corrupt`
 */
export async function openLibraryReader(path: string): Promise<ReadableLibrary> {
  const datastore = await openDatastoreReader(path);
  const { chunks, catalog, paths } = datastore;
  const work = new OpenWork();
  const { signal: closing } = work;
  const parts = { chunks, closing, index: readOnlyIndex(catalog), files: new FsBackend(paths.root) };
  return {
    ...objectReads(parts),
    ...chunkReads(parts),
    ...backendOperations(backendsOf(datastore, true)),
    close: () => work.end(async () => datastore.close()),
  };
}

async function writableLibrary(
  opened: OpenUnmounted,
  reader: CatalogReader,
  checkpoints: LateCheckpoints,
  log: Log,
): Promise<Library> {
  const { datastore, live } = opened;
  const { catalog, chunks, config, paths } = datastore;
  const work = new OpenWork();
  const { signal: closing } = work;
  const parts: WriteParts = {
    ...{ chunks, closing, index: sqliteIndex({ catalog, reader, live }), files: new FsBackend(paths.root) },
    chunksOn: (backend) => new ChunkStore(backend, config.prefixDigits, { verifyNew: config.verifyNew }),
    turns: new TurnsByKey(),
    storing: (insert) => live.parts.room.storing(insert),
    counts: { received: 0, deleted: 0 },
  };
  const gc = new GcService(datastore, live, log);
  await gc.load();
  const collection = new UnmountedCollection(opened, gc, log);
  const backends = backendsOf(datastore, false);
  return {
    ...objectReads(parts),
    ...chunkReads(parts, parts.counts),
    ...changesDuring(work, parts, backends),
    ...backendOperations(backends),
    ...backendChanges(opened, work, log),
    collectGarbage: work.during((options?: CollectOptions) => collect(collection, options ?? {}, closing)),
    close: () =>
      work.end(async () => {
        await opened.finish();
        await checkpoints.end();
        reader.close();
        opened.close();
      }),
  };
}

async function collect(
  collection: UnmountedCollection,
  { graceSeconds, dryRun = false, signal }: CollectOptions,
  closing: AbortSignal,
): Promise<CollectResult> {
  const context = { progress: () => undefined, signal: eitherSignal(closing, signal) };
  const report = await collection.run({ dryRun, full: false, graceSeconds: graceSeconds ?? null }, context);
  const { plan, removed, freed } = report;
  if (!dryRun) return { removed, freed };
  const all = {
    chunks: plan.unreferenced.chunks + plan.stray.chunks,
    bytes: plan.unreferenced.bytes + plan.stray.bytes,
  };
  return { removed: all, freed: { chunks: plan.expired.chunks, bytes: plan.freesBytes } };
}

/** The places of a datastore: its folder, the bucket behind it, or several others. */
function backendsOf(
  { backend, config, objects, paths, spread }: WritableDatastore | ReadableDatastore,
  readOnly: boolean,
): BackendSource {
  if (spread !== undefined) return spreadBackends(paths, spread, readOnly);
  const place =
    objects === undefined
      ? ({ type: 'fs', location: paths.root, readOnly } as const)
      : ({ type: 's3', location: objects.title, readOnly } as const);
  return oneBackend(place, backend, config.prefixDigits);
}

/** Checkpoints that begin when the catalog is open. */
class LateCheckpoints implements Checkpoints {
  #real: CatalogCheckpoints | undefined;
  #listener: (error: unknown) => void = () => undefined;

  start(real: CatalogCheckpoints): void {
    this.#real = real;
    real.onFailedSync(this.#listener);
  }

  betweenTransactions(transactions: Transactions, changes: number): void {
    this.#real?.betweenTransactions(transactions, changes);
  }

  committed(): void {
    this.#real?.committed();
  }

  onFailedSync(listener: (error: unknown) => void): void {
    this.#listener = listener;
    this.#real?.onFailedSync(listener);
  }

  async end(): Promise<void> {
    await this.#real?.end();
  }
}
