import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { S3Settings } from '../backend/s3/s3-settings.js';
import { createCatalog, openCatalog } from '../catalog/open.js';
import { standingChunks } from '../chunk/standing-chunks.js';
import { ChunkStore } from '../chunkstore/chunk-store.js';
import { chunkFolders, type PrefixDigits } from '../chunkstore/layout.js';
import type { Digest } from '../core/digest.js';
import { CairnError, fromSystemError } from '../core/errors.js';
import { makeFolders, putFile, syncFileSystem, syncFolder } from '../native/files.js';
import { lockFile } from '../native/locks.js';
import type { BackendConfig, SpreadConfig } from './backend-config.js';
import { BUCKET_NOTE, type BucketNote, formatBucketNote, parseBucketNote } from './bucket-note.js';
import { type DatastoreConfig, FORMAT_VERSION, formatConfig, SPREAD_FORMAT_VERSION } from './config.js';
import { openObjects, prepareObjects, probeObjects, titleOf, withObjects } from './object-store.js';
import { prepareBackend } from './open-spread.js';
import { type DatastorePaths, datastorePaths } from './paths.js';
import { allocateReserve, DEFAULT_RESERVE_BYTES } from './reserve.js';

/** How chunks are spread over folders: 256 of our own by default, or the 65,536 of PBS (pbs-format §1.2). */
export type Layout = 'cairn' | 'pbs';

/** What a new datastore is to be like. */
export interface CreateOptions {
  readonly layout?: Layout;
  /** Have every new chunk read back and verified before anything names it. */
  readonly verifyNew?: boolean;
  /** The object store behind the datastore; unless `existing` is given, it must hold nothing under this name. */
  readonly s3?: S3Settings;
  /** The datastore the object store holds already, to which this is to be another folder. */
  readonly existing?: ExistingDatastore;
  /** With an object store, how many bytes chunks may take in the folder. */
  readonly cacheBytes?: number;
  /** With an object store, how many bytes of chunks may wait to be uploaded, and what writers meet then. */
  readonly queueBytes?: number;
  readonly whenFull?: DatastoreConfig['whenFull'];
  /** The backends chunks are spread over, and how; else the folder has them. */
  readonly spread?: Pick<SpreadConfig, 'redundancy'> & { readonly backends: readonly BackendConfig[] };
  /** With an object store, what fsync waits for. */
  readonly durability?: DatastoreConfig['durability'];
  /** Space kept for deleting on a full disk. */
  readonly reserveBytes?: number;
  /** Told how many of the folders for chunks are made. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Gives up and takes everything away again. */
  readonly signal?: AbortSignal;
}

/** A datastore that is to have a folder again. */
export interface ExistingDatastore {
  readonly note: BucketNote;
  /** Fetches what belongs into the folder, before the datastore exists. What it makes outside `.chunks` and `.cairn` it takes away when it fails. */
  fetch(paths: DatastorePaths): Promise<void>;
}

/** Modes PBS insists on when it takes over a datastore (pbs-format §1.1). */
const ROOT_MODE = 0o755;
const CHUNKS_MODE = 0o750;
const LOCK_MODE = 0o644;
const OWN_MODE = 0o700;
const FOLDERS_AT_ONCE = 4096;
const PREFIX_DIGITS: Readonly<Record<Layout, PrefixDigits>> = { cairn: 2, pbs: 4 };

/**
 * Makes a datastore in a folder that is absent, or empty but for dot-files and lost+found; durable when it
 * resolves. Whatever was made is taken away again on failure; what a killed process left is cleaned up by the
 * next call.
 * @returns the datastore's config
 * @throws {CairnError} `exists` where there is a datastore, `not-empty` where there is anything else, `busy` where another
 *   process is creating it, `interrupted` when given up
 */
export async function createDatastore(path: string, options: CreateOptions = {}): Promise<DatastoreConfig> {
  const paths = datastorePaths(resolve(path));
  const firstMade = await makeRoot(paths);
  try {
    await checkTarget(paths);
    return await whileLocked(paths, () => fill(paths, options));
  } catch (error) {
    if (firstMade !== undefined) await removeEmptyFolders(paths.root, firstMade);
    throw fromSystemError(error, `create the datastore ${paths.root}`);
  }
}

/** Makes the folder and those above it; the outermost one made. */
async function makeRoot(paths: DatastorePaths): Promise<string | undefined> {
  const missing: string[] = [];
  try {
    // Not mkdir's `recursive`: Node 20 never returns from it where a folder above refuses with ENOENT, as /proc does.
    for (let folder = paths.root; !(await isFolder(folder)); folder = dirname(folder)) missing.unshift(folder);
    for (const folder of missing) await mkdir(folder, { mode: ROOT_MODE });
    return missing[0];
  } catch (error) {
    const failure = fromSystemError(error, `create the folder ${paths.root}`);
    if (failure.kind !== 'not-a-directory') throw failure;
    throw new CairnError('not-a-directory', `${paths.root} is not a folder, or not in one`, { cause: error });
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true;
  } catch (error) {
    const failure = fromSystemError(error, `look at ${path}`);
    if (failure.kind === 'not-found') return false;
    throw failure;
  }
  throw new CairnError('not-a-directory', `${path} is not a folder`);
}

async function removeEmptyFolders(innermost: string, outermost: string): Promise<void> {
  for (let folder = innermost; ; folder = dirname(folder)) {
    try {
      await rmdir(folder);
    } catch {
      return;
    }
    if (folder === outermost) return;
  }
}

async function checkTarget(paths: DatastorePaths): Promise<void> {
  const names = await readdir(paths.root);
  const own = names.includes('.cairn') ? await readdir(paths.own) : [];
  if (own.includes('config.json')) throw new CairnError('exists', `${paths.root} is a datastore already`);
  if (own.includes('unfinished')) return;
  if (names.includes('.chunks') || own.some((name) => name !== 'lock')) {
    throw new CairnError('exists', `${paths.root} has parts of a datastore (.chunks, .cairn): choose an empty folder`);
  }
  const other = names.find((name) => !name.startsWith('.') && name !== 'lost+found');
  if (other !== undefined) {
    throw new CairnError('not-empty', `${paths.root} is not empty (it has ${other}): choose an empty folder`);
  }
}

/** Runs `task` with the datastore's lock, so that two creations of one datastore do not mix. */
async function whileLocked<T>(paths: DatastorePaths, task: () => Promise<T>): Promise<T> {
  await mkdir(paths.own, { mode: OWN_MODE, recursive: true });
  const lock = lockFile(paths.lock, 'write');
  if (lock === undefined) throw new CairnError('busy', `Another process is creating the datastore ${paths.root}`);
  try {
    return await task();
  } finally {
    lock.release();
  }
}

/** The mark `unfinished` tells an interrupted creation, which is started anew, from a datastore somebody damaged. */
async function fill(paths: DatastorePaths, options: CreateOptions): Promise<DatastoreConfig> {
  await checkTarget(paths);
  const made: (() => Promise<void>)[] = [];
  try {
    await writeFile(paths.unfinished, '', { mode: LOCK_MODE });
    await removeParts(paths);
    const { existing } = options;
    const prepare = existing === undefined ? prepareObjects : probeObjects;
    const s3 = options.s3 && (await prepare(options.s3));
    const config = configOf(options, s3);
    for (const backend of config.backends ?? []) made.push(await prepareBackend(backend, config.uuid));
    await makeFiles(paths, options, config);
    await existing?.fetch(paths);
    if (s3 !== undefined && existing === undefined) made.push(() => takeNoteBack(s3, config));
    return await finish(paths, options, config);
  } catch (error) {
    for (const undo of made) await undo();
    await removeParts(paths);
    await rm(paths.own, { recursive: true, force: true });
    throw error;
  }
}

/** Everything but the lock and the mark that it is unfinished. */
async function removeParts(paths: DatastorePaths): Promise<void> {
  await removeChunks(paths);
  await rm(paths.pbsLock, { force: true });
  for (const name of await readdir(paths.own)) {
    const path = `${paths.own}/${name}`;
    if (path !== paths.lock && path !== paths.unfinished) await rm(path, { recursive: true, force: true });
  }
}

/** Most of the folders are empty, and 65,536 of them take `rm` minutes. */
async function removeChunks({ chunks }: DatastorePaths): Promise<void> {
  const names = await readdir(chunks).catch(() => []);
  for (let done = 0; done < names.length; done += FOLDERS_AT_ONCE) {
    const slice = names.slice(done, done + FOLDERS_AT_ONCE);
    await Promise.all(slice.map((name) => rmdir(`${chunks}/${name}`).catch(() => undefined)));
  }
  await rm(chunks, { recursive: true, force: true });
}

async function makeFiles(paths: DatastorePaths, options: CreateOptions, config: DatastoreConfig): Promise<void> {
  const { prefixDigits } = config;
  await makeFolders([paths.journal, paths.quarantine, paths.forgotten], OWN_MODE);
  await writeFile(paths.pbsLock, '', { mode: LOCK_MODE });
  await makeFolders([paths.chunks], CHUNKS_MODE);
  const folders = chunkFolders(prefixDigits).map((name) => `${paths.root}/${name}`);
  for (let done = 0; done < folders.length; done += FOLDERS_AT_ONCE) {
    checkGoingOn(options);
    await makeFolders(folders.slice(done, done + FOLDERS_AT_ONCE), CHUNKS_MODE);
    options.onProgress?.(Math.min(done + FOLDERS_AT_ONCE, folders.length), folders.length);
  }
  checkGoingOn(options);
  await allocateReserve(paths.reserve, options.reserveBytes ?? DEFAULT_RESERVE_BYTES);
  await makeStores(paths, config);
}

/** Makes an empty catalog, where there is none, and the standing chunks it knows of. @throws {CairnError} `exists` */
export async function makeStores(paths: DatastorePaths, config: DatastoreConfig): Promise<void> {
  // With an object store everything goes there from the folder.
  const places = await openObjects(paths.root, { ...config, s3: undefined });
  try {
    await fillStores(paths, new ChunkStore(places.backend, config.prefixDigits), config.s3 !== undefined);
  } finally {
    places.close();
  }
}

async function fillStores(paths: DatastorePaths, chunks: ChunkStore, hasObjects: boolean): Promise<void> {
  const stored: { digest: Digest; length: number; stored: number }[] = [];
  for (const { digest, length, bytes } of standingChunks()) {
    stored.push({ digest, length, stored: await chunks.insertBytes(digest, bytes()) });
  }
  await chunks.sync();
  createCatalog(paths.catalog);
  const catalog = openCatalog(paths.catalog, hasObjects);
  try {
    const { transactions } = catalog;
    transactions.begin();
    for (const chunk of stored) catalog.chunks.setPresent(chunk.digest, chunk.length, chunk.stored);
    transactions.commit(transactions.appliedSequence());
    transactions.checkpoint('truncate');
  } finally {
    catalog.close();
  }
}

function configOf(options: CreateOptions, s3: S3Settings | undefined): DatastoreConfig {
  const { spread, cacheBytes, queueBytes, whenFull, durability } = options;
  return {
    ...(options.existing?.note ?? newNote(options)),
    ...(s3 && { s3 }),
    ...(cacheBytes !== undefined && { cacheBytes }),
    ...(queueBytes !== undefined && { queueBytes }),
    ...(whenFull !== undefined && { whenFull }),
    ...(durability !== undefined && { durability }),
    ...(spread && { format: SPREAD_FORMAT_VERSION, ...spread, backends: [...spread.backends] }),
  };
}

/** The config comes last and durably: with it the datastore exists. */
async function finish(
  paths: DatastorePaths,
  options: CreateOptions,
  config: DatastoreConfig,
): Promise<DatastoreConfig> {
  checkGoingOn(options);
  await syncFileSystem(paths.root);
  if (config.s3 !== undefined && options.existing === undefined) await noteInObjects(config.s3, config);
  const bytes = Buffer.from(formatConfig(config));
  await putFile(paths.config, `${paths.config}.tmp`, bytes, { mode: LOCK_MODE, sync: true });
  await rm(paths.unfinished);
  for (const folder of [paths.own, paths.root, dirname(paths.root)]) await syncFolder(folder);
  return config;
}

function newNote({ layout, verifyNew }: CreateOptions): BucketNote {
  const [uuid, created] = [randomUUID(), new Date().toISOString()];
  const prefixDigits = PREFIX_DIGITS[layout ?? 'cairn'];
  return { format: FORMAT_VERSION, uuid, created, prefixDigits, verifyNew: verifyNew ?? false };
}

/** Of two who create a datastore there at the same time one is refused, where the server lets it. */
async function noteInObjects(s3: S3Settings, config: DatastoreConfig): Promise<void> {
  await withObjects(s3, async (remote) => {
    const bytes = formatBucketNote(config);
    if (remote.conditional === undefined) await remote.put(BUCKET_NOTE, bytes);
    else if (!(await remote.conditional.putNew(BUCKET_NOTE, bytes))) {
      throw new CairnError('exists', `${titleOf(s3)} has a datastore already, made a moment ago: choose another name`);
    }
  });
}

/** Its name is free again then; where that cannot be had now, whoever wants it hears what is there. */
async function takeNoteBack(s3: S3Settings, { uuid }: DatastoreConfig): Promise<void> {
  const taken = withObjects(s3, async (remote) => {
    const there = parseBucketNote(await remote.get(BUCKET_NOTE), titleOf(s3));
    if (there.uuid === uuid) await remote.removeAll([BUCKET_NOTE]);
  });
  await taken.catch(() => undefined);
}

function checkGoingOn(options: CreateOptions): void {
  if (options.signal?.aborted) throw new CairnError('interrupted', 'Given up');
}
