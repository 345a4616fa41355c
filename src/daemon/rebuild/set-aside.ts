import { access, link, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { listSegments } from '../../content/journal/journal.js';
import { segmentName } from '../../content/journal/segment.js';
import { CairnError, fromSystemError } from '../../core/errors.js';
import { readJson, writeJson } from '../../datastore/json-file.js';
import type { DatastorePaths } from '../../datastore/paths.js';
import { syncFolder } from '../../native/files.js';

const marker = z.object({
  /** Of the files set aside. */
  number: z.number().int().positive(),
  /** Whether they all are: what lies in their place is half made. */
  isDone: z.boolean(),
});

/** SQLite's own files beside a database. */
const SUFFIXES = ['', '-wal', '-shm'];
const FOLDER_MODE = 0o700;

/** What was set aside, by name in `.cairn`. */
export interface SetAside {
  /** Null where there was none any more. */
  readonly catalog: string | null;
  readonly journal: string;
}

/** Whether an earlier rebuilding did not come to its end. @throws {CairnError} `corrupt` where its mark makes no sense */
export function wasInterrupted(paths: DatastorePaths): boolean {
  return readMarker(paths) !== undefined;
}

/** The folder of the journal as it was before any rebuilding: what lies in its place may be what an interrupted one left. */
export function journalOf(paths: DatastorePaths): string {
  const begun = readMarker(paths);
  return begun?.isDone ? join(paths.own, namesOf(begun.number).journal) : paths.journal;
}

function namesOf(number: number): { catalog: string; journal: string } {
  return { catalog: `catalog.db.${number}.bad`, journal: `journal.${number}.bad` };
}

/**
 * Keeps catalog and journal as they were under names of their own, the journal also in its place. From here on until
 * `endRebuilding` the datastore cannot be opened otherwise. After an interruption the same files count again, and what was made
 * since goes.
 */
export async function setAside(paths: DatastorePaths): Promise<SetAside> {
  try {
    const begun = readMarker(paths) ?? { number: await freeNumber(paths), isDone: false };
    const names = namesOf(begun.number);
    const journal = `${paths.own}/${names.journal}`;
    await writeJson(paths.rebuilding, begun);
    if (begun.isDone) {
      for (const suffix of SUFFIXES) await rm(`${paths.catalog}${suffix}`, { force: true });
      await emptyJournal(paths);
      await linkSegments(journal, paths.journal);
    } else {
      await mkdir(journal, { recursive: true, mode: FOLDER_MODE });
      await linkSegments(paths.journal, journal);
      for (const suffix of SUFFIXES)
        await renameIfThere(`${paths.catalog}${suffix}`, `${paths.own}/${names.catalog}${suffix}`);
      for (const folder of [journal, paths.own]) await syncFolder(folder);
      await writeJson(paths.rebuilding, { ...begun, isDone: true });
    }
    const kept = await Promise.all(SUFFIXES.map((suffix) => isThere(`${paths.own}/${names.catalog}${suffix}`)));
    return { ...names, catalog: kept.includes(true) ? names.catalog : null };
  } catch (error) {
    throw fromSystemError(error, `set the catalog of ${paths.root} aside`);
  }
}

/** Keeps a datastore that is being made from being opened before its catalog was rebuilt. */
export async function expectRebuilding(paths: DatastorePaths): Promise<void> {
  await writeJson(paths.rebuilding, { number: await freeNumber(paths), isDone: false });
}

/** Nothing of the journal is to be applied: it is about trees that are no more. */
export async function emptyJournal({ journal }: DatastorePaths): Promise<void> {
  await mkdir(journal, { recursive: true, mode: FOLDER_MODE });
  for (const segment of await listSegments(journal)) await rm(`${journal}/${segmentName(segment)}`);
}

/** The catalog is whole and durable: the datastore can be opened again. */
export async function endRebuilding(paths: DatastorePaths): Promise<void> {
  // What it says was reckoned by the sequences of another journal.
  await rm(paths.groupMarks, { force: true });
  await rm(paths.rebuilding);
  await syncFolder(paths.own);
}

function readMarker(paths: DatastorePaths): z.output<typeof marker> | undefined {
  const value = readJson(paths.rebuilding);
  if (value === undefined) return undefined;
  const parsed = marker.safeParse(value);
  if (parsed.success) return parsed.data;
  const remedy = 'look which catalog.db is the right one, then remove it';
  throw new CairnError('corrupt', `${paths.rebuilding} makes no sense: ${remedy}`);
}

async function freeNumber({ own }: DatastorePaths): Promise<number> {
  const taken = (await readdir(own)).map((name) => /^(?:catalog\.db|journal)\.(\d+)\.bad/.exec(name)?.[1]);
  return 1 + Math.max(0, ...taken.map((number) => Number(number ?? 0)));
}

async function linkSegments(from: string, to: string): Promise<void> {
  if (!(await isThere(from))) return;
  const there = new Set(await listSegments(to));
  for (const segment of await listSegments(from)) {
    if (!there.has(segment)) await link(`${from}/${segmentName(segment)}`, `${to}/${segmentName(segment)}`);
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  if (await isThere(from)) await rename(from, to);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
