import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip, createGzip } from 'node:zlib';
import { copyCatalog } from '../../catalog/copy-catalog.js';
import { CairnError, fromSystemError, kindOf } from '../../core/errors.js';
import { formatSnapshotTime, snapshotTimeOf } from '../../core/snapshot-time.js';
import { fileSize, fileSystemFigures, listFolder, syncFile, syncFolder } from '../../native/files.js';
import { copiesToKeep } from './thinning.js';

/** A copy of the catalog beside it. */
export interface CatalogCopy {
  /** Its file's name in the folder of copies. */
  readonly name: string;
  /** When it was made, seconds since 1970; rises from copy to copy. */
  readonly madeAt: number;
  /** Sequence of the last journal record it contains. */
  readonly appliedSequence: number;
  /** Length of its file, which is compressed. */
  readonly bytes: number;
}

/** Where the catalog and its copies are; absolute. */
export interface CopyPlaces {
  readonly catalog: string;
  readonly catalogCopies: string;
}

/** What came of an attempt to make a copy. */
export type CopyOutcome =
  | { readonly kind: 'made'; readonly copy: CatalogCopy }
  /** There is not the room to make it. */
  | { readonly kind: 'no-room'; readonly neededBytes: number };

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
/** Time and sequence, e.g. `2026-11-20T10:00:00Z.4711.db.gz`. */
const NAME = /^([^.]+)\.(\d{1,16})\.db\.gz$/;
/** While a copy is being made: the plain one, and the compressed one. */
const PLAIN_NAME = 'new.db';
const PACKED_NAME = 'new.db.gz';

/**
 * The copies in a folder, newest first; none where there is no folder.
 * @throws {CairnError} where it cannot be listed
 */
export async function listCatalogCopies(folder: string): Promise<CatalogCopy[]> {
  const copies: CatalogCopy[] = [];
  try {
    for (const { name } of await listFolder(folder)) {
      const parsed = parseName(name.toString('latin1'));
      if (parsed !== undefined) copies.push({ ...parsed, bytes: await fileSize(`${folder}/${parsed.name}`) });
    }
  } catch (error) {
    const failure = fromSystemError(error, `list the copies of the catalog in ${folder}`);
    if (kindOf(failure) !== 'not-found') throw failure;
  }
  return copies.sort((a, b) => b.madeAt - a.madeAt || b.appliedSequence - a.appliedSequence);
}

/**
 * Makes a copy of the catalog as of its last commit, compressed and durable, and removes those that thinning takes. What
 * an interrupted attempt left is removed. Two must not run at once.
 * @param spareBytes room on the disk that is to be left alone
 * @param rest called between two steps of 4 MiB; may block, or throw to give up
 * @throws {CairnError} what copying and writing give; nothing is left then
 */
export async function makeCatalogCopy(
  places: CopyPlaces,
  { nowSeconds, spareBytes, rest }: { nowSeconds: number; spareBytes: number; rest: () => void },
): Promise<CopyOutcome> {
  const { catalogCopies: folder } = places;
  const [plain, packed] = [`${folder}/${PLAIN_NAME}`, `${folder}/${PACKED_NAME}`];
  try {
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
    await removeFiles(plain, packed);
    const neededBytes = await bytesToCopy(places.catalog);
    if (!(await makeRoom(folder, neededBytes + spareBytes))) return { kind: 'no-room', neededBytes };
    const appliedSequence = await copyCatalog(places.catalog, plain, rest);
    // No level but the first is worth its time: it takes off most of what there is to be taken.
    const gzip = createGzip({ level: constants.Z_BEST_SPEED });
    await pipeline(createReadStream(plain), gzip, createWriteStream(packed, { mode: FILE_MODE }));
    const madeAt = await nextTime(folder, nowSeconds);
    const name = copyName(madeAt, appliedSequence);
    await syncFile(packed);
    await rename(packed, `${folder}/${name}`);
    await syncFolder(folder);
    const copy = { name, madeAt, appliedSequence, bytes: await fileSize(`${folder}/${name}`) };
    await thin(folder, nowSeconds);
    return { kind: 'made', copy };
  } catch (error) {
    throw fromSystemError(error, `copy the catalog to ${folder}`);
  } finally {
    await removeFiles(plain, packed);
  }
}

/**
 * Makes a copy a database again.
 * @param target nothing is there; durable when it resolves
 * @throws {CairnError} `corrupt` where it is torn or damaged; what was written of it is left
 */
export async function unpackCatalogCopy(folder: string, { name }: CatalogCopy, target: string): Promise<void> {
  try {
    const file = createWriteStream(target, { mode: FILE_MODE, flags: 'wx' });
    await pipeline(createReadStream(`${folder}/${name}`), createGunzip(), file);
    await syncFile(target);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!code.startsWith('Z_')) throw fromSystemError(error, `unpack the copy ${name} of the catalog`);
    throw new CairnError('corrupt', `The copy ${name} of the catalog is damaged: ${code}`, { cause: error });
  }
}

/** Removes all but the newest copy: for a full disk. @returns whether there were others */
export async function dropOlderCopies(folder: string): Promise<boolean> {
  const [, ...older] = await listCatalogCopies(folder);
  for (const { name } of older) await rm(`${folder}/${name}`, { force: true });
  return older.length > 0;
}

/** Times rise, so that the newest copy is the newest by its name also where the clock was set back. */
async function nextTime(folder: string, nowSeconds: number): Promise<number> {
  const newest = (await listCatalogCopies(folder))[0]?.madeAt ?? Number.NEGATIVE_INFINITY;
  return newest > nowSeconds ? newest + 1 : nowSeconds;
}

async function thin(folder: string, nowSeconds: number): Promise<void> {
  const copies = await listCatalogCopies(folder);
  const kept = new Set(copiesToKeep(copies, nowSeconds));
  for (const copy of copies) if (!kept.has(copy)) await rm(`${folder}/${copy.name}`, { force: true });
}

/** Plain and compressed copy are there at once, for a moment. */
async function bytesToCopy(catalog: string): Promise<number> {
  const log = await stat(`${catalog}-wal`).catch(() => undefined);
  return 2 * ((await fileSize(catalog)) + (log?.size ?? 0));
}

/** Older copies go, oldest first, until there is room; the newest one stays. */
async function makeRoom(folder: string, bytes: number): Promise<boolean> {
  const copies = await listCatalogCopies(folder);
  while ((await fileSystemFigures(folder)).availableBytes < bytes) {
    const oldest = copies.length > 1 ? copies.pop() : undefined;
    if (oldest === undefined) return false;
    await rm(`${folder}/${oldest.name}`, { force: true });
  }
  return true;
}

/** With SQLite's own files beside a database that was not closed. */
async function removeFiles(plain: string, packed: string): Promise<void> {
  for (const path of [plain, `${plain}-wal`, `${plain}-shm`, `${plain}-journal`, packed])
    await rm(path, { force: true });
}

/** File name of a copy made at that time, in seconds since 1970, with changes up to that sequence. */
export function copyName(seconds: number, sequence: number): string {
  return `${formatSnapshotTime(seconds)}.${sequence}.db.gz`;
}

function parseName(name: string): Omit<CatalogCopy, 'bytes'> | undefined {
  const [, time = '', sequence] = NAME.exec(name) ?? [];
  const madeAt = snapshotTimeOf(time);
  return madeAt === undefined ? undefined : { name, madeAt, appliedSequence: Number(sequence) };
}
