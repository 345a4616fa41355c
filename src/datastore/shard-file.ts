import { closeSync, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ShardPlaces } from '../catalog/shard-places.js';
import { fromSystemError, kindOf } from '../core/errors.js';

/** The database of where pieces are, and which file it is: others may have begun a newer one since. */
export interface OpenShards {
  readonly places: ShardPlaces;
  readonly number: number;
}

const FOLDER_MODE = 0o750;
const FILE = /^(\d{1,15})\.db$/;

/**
 * Opens the database in a folder for reading; undefined where there is none.
 * @throws {CairnError}
 */
export function openShardReader(folder: string): ShardPlaces | undefined {
  const number = newestIn(folder);
  return number === undefined ? undefined : ShardPlaces.openReader(pathOf(folder, number));
}

/** Opens it for writing; one that is not there, damaged or of another version is begun anew. @throws {CairnError} */
export function openShardWriter(folder: string): OpenShards {
  try {
    return openNewest(folder);
  } catch (error) {
    if (kindOf(error) !== 'corrupt' && kindOf(error) !== 'unsupported') throw error;
    discardShards(folder);
    return openNewest(folder);
  }
}

/**
 * Begins an empty one, and removes those before. Each has a name of its own: SQLite removes a log by its name when who has an
 * old one open closes it.
 * @throws {CairnError}
 */
export function discardShards(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
    const next = (newestIn(folder) ?? 0) + 1;
    closeSync(openSync(pathOf(folder, next), 'a', 0o640));
    for (const name of readdirSync(folder)) if (!name.startsWith(`${next}.db`)) rmSync(join(folder, name));
  } catch (error) {
    throw fromSystemError(error, 'make the record of where pieces are anew');
  }
}

/** Whether nobody has begun a newer one. @throws {CairnError} */
export function isNewest({ number }: OpenShards, folder: string): boolean {
  return newestIn(folder) === number;
}

function openNewest(folder: string): OpenShards {
  if (newestIn(folder) === undefined) discardShards(folder);
  const number = newestIn(folder) ?? 1;
  return { places: ShardPlaces.openWriter(pathOf(folder, number)), number };
}

function newestIn(folder: string): number | undefined {
  const numbers = namesIn(folder).flatMap((name) => FILE.exec(name)?.slice(1).map(Number) ?? []);
  return numbers.length === 0 ? undefined : Math.max(...numbers);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const failure = fromSystemError(error, 'look for the record of where pieces are');
    if (kindOf(failure) === 'not-found') return [];
    throw failure;
  }
}

function pathOf(folder: string, number: number): string {
  return join(folder, `${number}.db`);
}
