import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import type { Backend } from '../backend/backend.js';
import { REBUILD_ADVICE } from '../catalog/connection.js';
import { type Catalog, openCatalog } from '../catalog/open.js';
import { type CatalogReader, openCatalogReader } from '../catalog/open-reader.js';
import type { ChunkStore } from '../chunkstore/chunk-store.js';
import { CairnError, fromSystemError, isOutOfRoom } from '../core/errors.js';
import { type Claim, claimDatastore } from './claim.js';
import { type DatastoreConfig, readConfig } from './config.js';
import { type ObjectPlaces, type ObjectStore, openObjects, type SpreadPlaces } from './object-store.js';
import { type DatastorePaths, datastorePaths } from './paths.js';
import { Reserve } from './reserve.js';
import { writingChunks } from './writing-chunks.js';

/** What is open of a datastore. */
interface Stores<C> {
  readonly paths: DatastorePaths;
  readonly config: DatastoreConfig;
  /** Where chunks and snapshots are; names are relative to the datastore. */
  readonly backend: Backend;
  /** The object store behind the datastore's folder; undefined where that is all there is. */
  readonly objects: ObjectStore | undefined;
  /** The backends chunks are spread over; undefined where there are not several. */
  readonly spread: SpreadPlaces | undefined;
  readonly chunks: ChunkStore;
  readonly catalog: C;
  /** Closes the catalog and ends the claim, if it was made here. Does nothing the second time. */
  close(): void;
}

/** A datastore as its one writer has it. */
export interface WritableDatastore extends Stores<Catalog> {
  /** Space for the time when the disk is full. */
  readonly reserve: Reserve;
}

/** A datastore as anybody else has it: it sees what was committed. */
export type ReadableDatastore = Stores<CatalogReader>;

/** Whether another thread of this process holds the datastore's claim, or `openDatastore` is to make it. */
export type ClaimHolder = 'process' | 'open';

/**
 * Opens a datastore for writing; one thread of one process may.
 * @param claim `process` for a thread of a process that holds the claim
 * @throws {CairnError} `not-found` where there is none, `unsupported` for a newer format, `busy` where another process
 *   has it, `read-only` or `access-denied` where it cannot be written, `corrupt`
 */
export async function openDatastore(path: string, claim: ClaimHolder = 'open'): Promise<WritableDatastore> {
  const paths = await pathsOf(path);
  const config = readConfig(paths);
  const places = await openObjects(paths.root, config, 'write');
  const made = claim === 'open' ? claimDatastore(paths) : undefined;
  const stores = opened(paths, config, places, made, () => openCatalog(paths.catalog, config.s3 !== undefined));
  try {
    return { ...stores, reserve: Reserve.open(paths.reserve) };
  } catch (error) {
    stores.close();
    throw error;
  }
}

/**
 * Opens a datastore for reading, whoever else has it open; nothing is locked.
 * @throws {CairnError} as `openDatastore`, but never `busy`
 */
export async function openDatastoreReader(path: string): Promise<ReadableDatastore> {
  const paths = await pathsOf(path);
  const config = readConfig(paths);
  return opened(paths, config, await openObjects(paths.root, config), undefined, () => openFullCatalog(paths));
}

/** Where nobody has the datastore open and the disk is full, even reading takes room: that of the reserve. */
function openFullCatalog(paths: DatastorePaths): CatalogReader {
  try {
    return openCatalogReader(paths.catalog);
  } catch (error) {
    if (!isOutOfRoom(error)) throw error;
    // Whoever claims it makes that room.
    claimDatastore(paths).release();
    return openCatalogReader(paths.catalog);
  }
}

async function pathsOf(path: string): Promise<DatastorePaths> {
  try {
    return datastorePaths(await realpath(path));
  } catch (error) {
    throw fromSystemError(error, `open the datastore ${path}`);
  }
}

function opened<C extends { close(): void }>(
  paths: DatastorePaths,
  config: DatastoreConfig,
  places: ObjectPlaces,
  claim: Claim | undefined,
  open: () => C,
): Stores<C> {
  let catalog: C;
  try {
    catalog = open();
  } catch (error) {
    claim?.release();
    places.close();
    throw existsSync(paths.catalog) ? error : catalogMissing(paths, error);
  }
  const { backend, objects, spread } = places;
  let closed = false;
  return {
    paths,
    config,
    backend,
    objects,
    spread,
    chunks: writingChunks({ backend, config }),
    catalog,
    close: () => {
      if (closed) return;
      closed = true;
      catalog.close();
      places.close();
      claim?.release();
    },
  };
}

function catalogMissing({ catalog }: DatastorePaths, cause: unknown): CairnError {
  return new CairnError('not-found', `The catalog ${catalog} is missing: ${REBUILD_ADVICE}`, { cause });
}
