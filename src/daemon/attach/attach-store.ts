import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { S3Backend } from '../../backend/s3/s3-backend.js';
import type { S3Settings } from '../../backend/s3/s3-settings.js';
import type { Catalog } from '../../catalog/open.js';
import type { PrefixDigits } from '../../chunkstore/layout.js';
import { CairnError, kindOf } from '../../core/errors.js';
import type { Log } from '../../core/log.js';
import { systemClock } from '../../core/time.js';
import { BUCKET_NOTE, type BucketNote, parseBucketNote } from '../../datastore/bucket-note.js';
import { type CreateOptions, createDatastore } from '../../datastore/create.js';
import { setMachine } from '../../datastore/machine.js';
import { machinesSeen, removeMachineNote } from '../../datastore/machine-note.js';
import { type ObjectStore, probeObjects, titleOf, withObjects } from '../../datastore/object-store.js';
import { type DatastorePaths, datastorePaths } from '../../datastore/paths.js';
import { isNamespaceMark } from '../../maintenance/upload/store-files.js';
import { groupOfFile } from '../../maintenance/upload/written-groups.js';
import { factsOf } from '../file-facts.js';
import { type RebuildReport, rebuildCatalog } from '../rebuild/rebuild-catalog.js';
import { expectRebuilding } from '../rebuild/set-aside.js';
import type { PointName, RecoveryPoint } from '../recovery-points/recovery-point.js';
import { noteGroupsOfOthers } from '../shared/writers-of-groups.js';
import { type FetchedPoint, fetchPoint, listPoints, type UnusablePoint } from './fetch-point.js';
import { type FetchedFiles, fetchSnapshots, SNAPSHOT_FOLDERS } from './fetch-snapshots.js';
import { type StoodInChunks, standInChunks } from './stand-in-chunks.js';

const ROWS_AT_ONCE = 500;

/** How to attach. */
export interface AttachOptions {
  readonly s3: S3Settings;
  /** How the folder is in front of it. */
  readonly front: Pick<CreateOptions, 'cacheBytes' | 'queueBytes' | 'whenFull' | 'durability'>;
  /** Whose live trees come back: a machine's, which is no more, by its id; `newest`: the one with the newest recovery point;
   * `none`: this is another machine besides. */
  readonly machine: string;
  /** Although a machine said lately that it has the datastore mounted: it is no more. */
  readonly takeOver: boolean;
}

/** Who waits. */
export interface AttachCaller {
  readonly signal: AbortSignal;
  progress(progress: { step: string; done: number; total?: number | undefined; unit: 'bytes' | 'items' }): void;
}

/** What was brought back. */
export interface AttachReport {
  /** For people, e.g. `s3://bucket/store`. */
  readonly objects: string;
  readonly chunks: number;
  readonly bytes: number;
  /** The point the live trees come from; null: none. */
  readonly point: Pick<RecoveryPoint, 'machine' | 'host' | 'madeAt'> | null;
  readonly unusable: readonly UnusablePoint[];
  /** What of the point's settings was not taken over, a line each, for people. */
  readonly leftOut: readonly string[];
  readonly rebuilt: Pick<RebuildReport, 'groups' | 'snapshots' | 'chunks' | 'indexes' | 'lost'>;
}

interface Fetched extends FetchedPoint {
  readonly snapshots: FetchedFiles;
  readonly chunks: StoodInChunks;
}

/**
 * Makes a folder in front of a datastore that an object store holds: all snapshots, and live trees as of a recovery point or,
 * where a newer snapshot is there, as of that. No chunk is fetched. Broken off before the rebuilding it leaves nothing; after that
 * `cairn repair --rebuild-catalog` ends it.
 * @throws {CairnError} `not-found` where the object store holds no datastore, `busy` where another machine has it mounted, `exists` and `not-empty` as for
 *   `createDatastore`, `interrupted`
 */
export async function attachStore(
  path: string,
  options: AttachOptions,
  caller: AttachCaller,
  log: Log,
): Promise<AttachReport> {
  const { s3, front, machine } = options;
  const paths = datastorePaths(resolve(path));
  const fetched = await withObjects(s3, async (remote) => {
    const note = await noteOf(remote, s3);
    if (options.takeOver) await forgetOthers(remote);
    else if (machine === 'none') await requireShareable(s3);
    else await requireUnused(remote, titleOf(s3));
    const points = await chosenPoints(remote, machine, titleOf(s3));
    let done: Fetched | undefined;
    const fetch = async (): Promise<void> => {
      const isAnother = machine === 'none';
      done = await fetchAll({ remote, paths, note, points, isAnother }, caller);
    };
    await createDatastore(path, {
      layout: note.prefixDigits === 2 ? 'cairn' : 'pbs',
      s3,
      existing: { note, fetch },
      ...front,
      signal: caller.signal,
    });
    return done as unknown as Fetched;
  });
  const noteUploads = (catalog: Catalog): Promise<void> => noteWhatIsThere(paths, catalog, fetched, machine === 'none');
  const rebuild = { useCopies: true, evenIfWhole: true, fetched: { noteUploads, hasLiveTrees: machine !== 'none' } };
  const rebuilt = await rebuildCatalog(paths.root, rebuild, caller, log);
  const { catalog, journal } = rebuilt.aside;
  await rm(`${paths.own}/${journal}`, { recursive: true, force: true });
  if (catalog !== null)
    for (const suffix of ['', '-wal', '-shm']) await rm(`${paths.own}/${catalog}${suffix}`, { force: true });
  const { chunks, bytes } = fetched.chunks;
  const { point, unusable, leftOut } = fetched;
  return { objects: titleOf(s3), chunks, bytes, point: point ?? null, unusable, leftOut, rebuilt };
}

/** What an object store says of its datastore. @throws {CairnError} `not-found` where it holds none */
export async function noteOf(remote: S3Backend, s3: S3Settings): Promise<BucketNote> {
  try {
    return parseBucketNote(await remote.get(BUCKET_NOTE), titleOf(s3));
  } catch (error) {
    if (kindOf(error) !== 'not-found') throw error;
    throw new CairnError('not-found', `${titleOf(s3)} holds no datastore of cairn: look at bucket and name`, {
      cause: error,
    });
  }
}

/** @throws {CairnError} `unsupported` where the server cannot keep machines apart */
async function requireShareable(s3: S3Settings): Promise<void> {
  if ((await probeObjects(s3)).conditionalPuts === true) return;
  const reason = 'its server does not honour conditional puts (If-None-Match)';
  throw new CairnError('unsupported', `${titleOf(s3)} can be used by one machine at a time only: ${reason}`);
}

/** Of two machines one would collect what the other is about to name. */
async function requireUnused(remote: S3Backend, title: string): Promise<void> {
  const now = systemClock.now().seconds;
  const [other] = await machinesSeen(remote, now);
  if (other === undefined) return;
  const minutes = Math.max(0, Math.round((now - other.seenAt) / 60));
  const advice = 'unmount it there, or take over with --take-over if that machine is no more';
  throw new CairnError(
    'busy',
    `${title} is mounted on ${other.host} (machine ${other.machine}, seen ${minutes} min ago): ${advice}`,
  );
}

/** They are no more. */
async function forgetOthers(remote: S3Backend): Promise<void> {
  for (const { machine } of await machinesSeen(remote, systemClock.now().seconds)) {
    await removeMachineNote(remote, machine);
  }
}

/** The points that will do, best first. */
async function chosenPoints(remote: S3Backend, machine: string, title: string): Promise<PointName[]> {
  if (machine === 'none') return [];
  const points = await listPoints(remote);
  const [newest] = points;
  const wanted = machine === 'newest' ? newest?.machine : machine;
  const chosen = points.filter((point) => point.machine === wanted);
  if (machine === 'newest' || chosen.length > 0) return chosen;
  const known = [...new Set(points.map((point) => point.machine))].join(', ') || 'there is none at all';
  throw new CairnError('not-found', `${title} has no recovery point of the machine ${machine} (it has: ${known})`);
}

/** What is fetched from where. */
interface FetchParts {
  readonly remote: S3Backend;
  readonly paths: DatastorePaths;
  readonly note: BucketNote;
  readonly points: readonly PointName[];
  /** All groups are other machines'. */
  readonly isAnother: boolean;
}

async function fetchAll(
  { remote, paths, note, points, isAnother }: FetchParts,
  caller: AttachCaller,
): Promise<Fetched> {
  const removeAll = async (): Promise<void> => {
    for (const folder of SNAPSHOT_FOLDERS) await rm(`${paths.root}/${folder}`, { recursive: true, force: true });
  };
  // What a killed attempt left.
  await removeAll();
  try {
    const { snapshots, chunks } = await fetchSnapshotsAndChunks(remote, paths.root, note.prefixDigits, caller);
    const fetched = await fetchPoint(remote, paths, points);
    // Whoever takes a machine's trees over is that machine from now on.
    if (fetched.point !== undefined) await setMachine(paths, fetched.point.machine);
    if (isAnother) await noteGroupsOfOthers(paths, groupsOf(snapshots.files));
    await expectRebuilding(paths);
    return { snapshots, chunks, ...fetched };
  } catch (error) {
    await removeAll();
    if (caller.signal.aborted) throw new CairnError('interrupted', 'Given up', { cause: error });
    throw error;
  }
}

/**
 * In this order: machines publish a snapshot when its chunks are there, so each that is found has them all.
 * @param store absolute path of the datastore's folder, with the folders for chunks
 */
export async function fetchSnapshotsAndChunks(
  remote: Pick<S3Backend, 'get' | 'list'> & { readonly listing: ObjectStore['listing'] },
  store: string,
  prefixDigits: PrefixDigits,
  caller: AttachCaller,
): Promise<Pick<Fetched, 'snapshots' | 'chunks'>> {
  const snapshots = await fetchSnapshots(remote, store, caller);
  return { snapshots, chunks: await standInChunks(remote.listing, store, prefixDigits, caller) };
}

function groupsOf(files: readonly string[]): string[] {
  return [...new Set(files.map(groupOfFile).filter((group) => group !== undefined))];
}

/** What a point's catalog says of the object store was true when it was made; everything was listed. */
async function noteWhatIsThere(
  paths: DatastorePaths,
  { uploads }: Catalog,
  { snapshots, chunks }: Fetched,
  isAnother: boolean,
): Promise<void> {
  uploads.replaceAll(chunks.missingStanding);
  for (let done = 0; done < snapshots.files.length; done += ROWS_AT_ONCE) {
    const put = [];
    for (const path of snapshots.files.slice(done, done + ROWS_AT_ONCE)) {
      const identity = isNamespaceMark(path) ? '' : (await factsOf(`${paths.root}/${path}`))?.identity;
      if (identity !== undefined) put.push({ path, identity });
    }
    uploads.noteFiles(put, []);
  }
  // Known and not here: they are removed with the next upload.
  const strays = isAnother ? [] : snapshots.strays.map((path) => ({ path, identity: '' }));
  for (let done = 0; done < strays.length; done += ROWS_AT_ONCE) {
    uploads.noteFiles(strays.slice(done, done + ROWS_AT_ONCE), []);
  }
}
