import { createWriteStream } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Backend } from '../../backend/backend.js';
import { segmentName } from '../../content/journal/segment.js';
import { CairnError, fromSystemError, kindOf } from '../../core/errors.js';
import { writeJson } from '../../datastore/json-file.js';
import type { DatastorePaths } from '../../datastore/paths.js';
import { copyName } from '../catalog-copies/copy-files.js';
import {
  POINT_FILE,
  POINTS_FOLDER,
  type PointName,
  parsePoint,
  pointFolder,
  pointOfName,
  type RecoveryPoint,
  type StoredFile,
} from '../recovery-points/recovery-point.js';
import { takenSettings } from './taken-settings.js';

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

/** The recovery points in an object store that were finished, newest first. @throws {CairnError} where they cannot be listed */
export async function listPoints(remote: Backend): Promise<PointName[]> {
  const points: PointName[] = [];
  for await (const name of remote.list(POINTS_FOLDER)) {
    const point = name.endsWith(`/${POINT_FILE}`) ? pointOfName(name) : undefined;
    if (point !== undefined) points.push(point);
  }
  return points.sort((a, b) => b.madeAt - a.madeAt || b.appliedSequence - a.appliedSequence);
}

/** A point that cannot be used, and why. */
export interface UnusablePoint {
  readonly point: PointName;
  readonly reason: string;
}

/** What came of points. */
export interface FetchedPoint {
  /** Undefined: none is whole. */
  readonly point: RecoveryPoint | undefined;
  readonly unusable: readonly UnusablePoint[];
  /** What of its settings is not taken over, a line each, for people. */
  readonly leftOut: readonly string[];
}

/** Fetches the first of the points that is whole: the copy of the catalog, its segments of the journal, and settings; not synced. */
export async function fetchPoint(
  remote: Backend,
  paths: DatastorePaths,
  points: readonly PointName[],
): Promise<FetchedPoint> {
  const unusable: UnusablePoint[] = [];
  for (const name of points) {
    try {
      const point = await fetchOne(remote, paths, name);
      const { settings, leftOut } = takenSettings(point.settings);
      if (settings !== undefined) await writeJson(paths.settings, settings);
      return { point, unusable, leftOut };
    } catch (error) {
      if (kindOf(error) !== 'corrupt' && kindOf(error) !== 'not-found') throw error;
      unusable.push({ point: name, reason: (error as Error).message });
      await rm(paths.catalogCopies, { recursive: true, force: true });
      await rm(paths.journal, { recursive: true, force: true });
    }
  }
  await mkdir(paths.journal, { recursive: true, mode: FOLDER_MODE });
  return { point: undefined, unusable, leftOut: [] };
}

async function fetchOne(remote: Backend, paths: DatastorePaths, name: PointName): Promise<RecoveryPoint> {
  const folder = pointFolder(name);
  const point = parsePoint(await remote.get(`${folder}/${POINT_FILE}`));
  for (const made of [paths.catalogCopies, paths.journal]) await mkdir(made, { recursive: true, mode: FOLDER_MODE });
  try {
    const copy = `${paths.catalogCopies}/${copyName(point.madeAt, point.appliedSequence)}`;
    await pipeline(partsOf(remote, folder, point.catalog), createWriteStream(copy, { mode: FILE_MODE }));
    for (const { segment, ...stored } of point.journal) {
      const pieces: Buffer[] = [];
      for await (const piece of partsOf(remote, folder, stored)) pieces.push(piece);
      const bytes = await unpacked(Buffer.concat(pieces));
      await writeFile(`${paths.journal}/${segmentName(segment)}`, bytes, { mode: FILE_MODE });
    }
  } catch (error) {
    throw fromSystemError(error, `fetch ${folder}`);
  }
  return point;
}

async function* partsOf(remote: Backend, folder: string, { parts, bytes }: StoredFile): AsyncGenerator<Buffer> {
  let got = 0;
  for (const part of parts) {
    const piece = await remote.get(`${folder}/${part}`);
    got += piece.length;
    yield piece;
  }
  if (got !== bytes) throw new CairnError('corrupt', `${folder} has ${got} bytes of a file of ${bytes}`);
}

async function unpacked(bytes: Buffer): Promise<Buffer> {
  try {
    return await promisify(gunzip)(bytes);
  } catch (error) {
    throw new CairnError('corrupt', `A piece of the journal is damaged: ${(error as Error).message}`, { cause: error });
  }
}
