import type { Backend } from '../backend/backend.js';
import type { Transfers } from '../backend/cache/transfers.js';
import { FsBackend } from '../backend/fs/fs-backend.js';
import type { S3Backend } from '../backend/s3/s3-backend.js';
import type { S3Listing } from '../backend/s3/s3-listing.js';
import { DEFAULT_S3_LIMITS, type S3Settings } from '../backend/s3/s3-settings.js';
import { chunkName, type PrefixDigits, parseQuarantineName } from '../chunkstore/layout.js';
import { CairnError } from '../core/errors.js';
import type { DatastoreConfig } from './config.js';
import type { OpenSpread, SpreadSource } from './open-spread.js';
import { datastorePaths } from './paths.js';
import { sharedObjectsOf } from './shared/s3-shared-objects.js';
import type { SharedObjects } from './shared/shared-objects.js';

/** The object store behind a datastore's folder. */
export interface ObjectStore {
  /** For people, e.g. `s3://bucket/store`. */
  readonly title: string;
  readonly remote: Backend;
  /** Lists it, with more than names. */
  readonly listing: Pick<S3Listing, 'objects'>;
  readonly transfers: Transfers;
  /** What other machines may share; undefined where the server cannot keep them apart. */
  readonly shared: SharedObjects | undefined;
}

/** Where a datastore's objects are. */
export interface ObjectPlaces {
  readonly backend: Backend;
  /** Undefined where the folder is all there is. */
  readonly objects: ObjectStore | undefined;
  /** Undefined where there are not several backends. */
  readonly spread: SpreadPlaces | undefined;
  close(): void;
}

/** Several backends that hold a datastore's chunks. */
export type SpreadPlaces = Omit<OpenSpread, 'close'>;
export type Spread = OpenSpread['spread'];
/** What became of one object that was mended. */
export type MendedObject = Awaited<ReturnType<Spread['mender']['mend']>>;

/**
 * The backend of a datastore: its folder, its folder in front of an object store, or several others. Nothing is asked of
 * those.
 * @param root absolute path of the datastore
 * @param purpose `write` for the datastore's one writer
 */
export async function openObjects(
  root: string,
  config: Pick<DatastoreConfig, 's3' | 'prefixDigits'> & SpreadSource,
  purpose: 'read' | 'write' = 'read',
): Promise<ObjectPlaces> {
  const { s3 } = config;
  if (config.backends !== undefined) {
    const { openSpread } = await import('./open-spread.js');
    const { close, ...spread } = await openSpread(config, purpose, datastorePaths(root).shards);
    return { backend: spread.spread, objects: undefined, spread, close };
  }
  if (s3 === undefined) {
    const backend = new FsBackend(root, ['.chunks']);
    return { backend, objects: undefined, spread: undefined, close: () => undefined };
  }
  // Loading the SDK takes a quarter of a second, which is for those who need it.
  const { S3Backend } = await import('../backend/s3/s3-backend.js');
  const { CachedBackend } = await import('../backend/cache/cached-backend.js');
  const remote = new S3Backend(s3);
  const once = new S3Backend(s3, { ...DEFAULT_S3_LIMITS, attempts: 1 });
  const shared = sharedObjectsOf(remote, once);
  const backend = new CachedBackend(root, remote, shared && { nameThere: chunkOfQuarantined(config.prefixDigits) });
  const objects = { title: titleOf(s3), remote, listing: remote.listing, transfers: backend.transfers, shared };
  const close = (): void => {
    remote.close();
    once.close();
  };
  return { backend, objects, spread: undefined, close };
}

/** A quarantined chunk stays where it was in an object store that machines share. */
function chunkOfQuarantined(prefixDigits: PrefixDigits): (name: string) => string {
  return (name) => {
    const quarantined = parseQuarantineName(name);
    return quarantined === undefined ? name : chunkName(quarantined.digest, prefixDigits);
  };
}

/**
 * Looks whether a server can hold a datastore, and has none under this name.
 * @returns the settings with what was found out
 * @throws {CairnError} `exists` where there is something; what else keeps it from being used
 */
export async function prepareObjects(s3: S3Settings): Promise<S3Settings> {
  await withObjects(s3, async (remote) => {
    for await (const name of remote.list('')) {
      throw new CairnError(
        'exists',
        `${titleOf(s3)} has objects already (${name}): choose another name, or bring back what is there with "cairn attach"`,
      );
    }
  });
  return probeObjects(s3);
}

/** @returns the settings with what was found out about the server */
export async function probeObjects(s3: S3Settings): Promise<S3Settings> {
  const { probeS3 } = await import('../backend/s3/s3-probe.js');
  return { ...s3, ...(await probeS3(s3)) };
}

/** Works on an object store without a folder in front of it. */
export async function withObjects<T>(s3: S3Settings, work: (remote: S3Backend) => Promise<T>): Promise<T> {
  const { S3Backend } = await import('../backend/s3/s3-backend.js');
  const remote = new S3Backend(s3);
  try {
    return await work(remote);
  } finally {
    remote.close();
  }
}

/** The object store for people. */
export function titleOf({ bucket, store }: Pick<S3Settings, 'bucket' | 'store'>): string {
  return `s3://${bucket}/${store}`;
}
