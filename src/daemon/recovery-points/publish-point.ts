import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import pLimit from 'p-limit';
import type { Backend } from '../../backend/backend.js';
import { type CatalogReader, openCatalogReader } from '../../catalog/open-reader.js';
import { findRecord } from '../../content/journal/record.js';
import { segmentName } from '../../content/journal/segment.js';
import { CairnError } from '../../core/errors.js';
import { BUCKET_NOTE, formatBucketNote } from '../../datastore/bucket-note.js';
import type { DatastoreConfig } from '../../datastore/config.js';
import type { DatastorePaths } from '../../datastore/paths.js';
import { readSettings } from '../../datastore/settings.js';
import type { JobProgress } from '../../maintenance/job/job-messages.js';
import { type ChangeAsker, changing } from '../../maintenance/upload/shared-changes.js';
import { readFile, readRange } from '../../native/files.js';
import { type CatalogCopy, unpackCatalogCopy } from '../catalog-copies/copy-files.js';
import { copiesToKeep } from '../catalog-copies/thinning.js';
import { livePin, replacePin } from './live-pin.js';
import {
  formatPoint,
  POINT_FILE,
  POINTS_FOLDER,
  type PointName,
  pinName,
  pinsOf,
  pointFolder,
  pointOfName,
  type RecoveryPoint,
  type StoredFile,
} from './recovery-point.js';

/** Bytes of one object: an upload that breaks off loses no more. */
const PART_BYTES = 16 * 1024 * 1024;
const PARTS_AT_ONCE = 4;

/** What a point is published from. */
export interface PublishParts {
  readonly paths: DatastorePaths;
  readonly config: DatastoreConfig;
  readonly remote: Backend;
  /** What says of pins that they come or go, where other machines may use the object store too. */
  readonly changes: ChangeAsker | undefined;
  readonly machine: string;
  readonly host: string;
  /** All its chunks are in the object store; the journal still has all segments it speaks of. */
  readonly copy: CatalogCopy;
  progress(progress: JobProgress): void;
  /** @throws {CairnError} `interrupted` where it is to end */
  goOn(): void;
}

/** What was published. */
export interface PublishedPoint {
  readonly name: PointName;
  /** Bytes that were put. */
  readonly bytes: number;
}

/**
 * Puts a recovery point into the object store: first the pin, so that no collector takes its chunks, then its files, last what
 * makes it one. Older ones go when thinning takes them, with their pins.
 */
export async function publishPoint(parts: PublishParts): Promise<PublishedPoint> {
  const { paths, remote, copy, machine } = parts;
  const name = { machine, madeAt: copy.madeAt, appliedSequence: copy.appliedSequence };
  parts.progress({ step: 'copying the live trees to the object store', done: 0, total: copy.bytes, unit: 'bytes' });
  await remote.put(BUCKET_NOTE, formatBucketNote(parts.config));
  const { pin, segments } = await whileUnpacked(parts, (reader) => lookInto(parts, reader));
  if (pin !== undefined) await putPin(parts, pinName(name), pin);
  const olderPins = await replacePin(paths.root, name, pin);
  const folder = pointFolder(name);
  const catalog = await putFileOf(parts, `${paths.catalogCopies}/${copy.name}`, `${folder}/catalog`);
  const journal: RecoveryPoint['journal'] = [];
  for (const segment of segments) journal.push({ segment, ...(await putSegment(parts, segment, folder)) });
  const value: RecoveryPoint = {
    ...{ format: 1, ...name, host: parts.host, catalog, journal },
    pin: pin === undefined ? null : pinName(name),
    settings: readSettings(paths),
  };
  await remote.put(`${folder}/${POINT_FILE}`, formatPoint(value));
  await removeOthers(parts, name, olderPins);
  return { name, bytes: [catalog, ...journal].reduce((sum, { bytes }) => sum + bytes, pin?.length ?? 0) };
}

/** What has to be known of a copy: its live trees' chunks, and its segments of the journal. */
async function lookInto(
  { copy, goOn }: PublishParts,
  reader: CatalogReader,
): Promise<{ pin: Buffer | undefined; segments: readonly number[] }> {
  return { pin: await livePin(reader, copy.madeAt, goOn), segments: reader.journalRefs.segments() };
}

async function whileUnpacked<T>(
  { paths, copy }: PublishParts,
  work: (reader: CatalogReader) => Promise<T>,
): Promise<T> {
  const path = `${paths.own}/recovery-point.db`;
  const remove = async (): Promise<void> => {
    for (const suffix of ['', '-wal', '-shm']) await rm(`${path}${suffix}`, { force: true });
  };
  await remove();
  try {
    await unpackCatalogCopy(paths.catalogCopies, copy, path);
    const reader = openCatalogReader(path);
    try {
      return await work(reader);
    } finally {
      reader.close();
    }
  } finally {
    await remove();
  }
}

async function putFileOf(parts: PublishParts, path: string, name: string): Promise<StoredFile> {
  const { bytes } = parts.copy;
  const starts = Array.from({ length: Math.ceil(bytes / PART_BYTES) }, (_, number) => number * PART_BYTES);
  const limit = pLimit(PARTS_AT_ONCE);
  let done = 0;
  await Promise.all(
    starts.map((start, number) =>
      limit(async () => {
        parts.goOn();
        const piece = await readRange(path, start, PART_BYTES);
        await parts.remote.put(`${name}-${number}`, piece);
        done += piece.length;
        parts.progress({ step: 'copying the live trees to the object store', done, total: bytes, unit: 'bytes' });
      }),
    ),
  );
  return { parts: starts.map((_, number) => `${name.slice(name.lastIndexOf('/') + 1)}-${number}`), bytes };
}

async function putSegment(parts: PublishParts, segment: number, folder: string): Promise<StoredFile> {
  const whole = await readFile(`${parts.paths.journal}/${segmentName(segment)}`);
  const bytes = whole.subarray(0, endOf(whole, parts.copy.appliedSequence));
  if (bytes.length === 0) throw new CairnError('corrupt', `Segment ${segment} of the journal has none of its records`);
  // Bodies are as users wrote them; most can be compressed.
  const packed = await promisify(gzip)(bytes, { level: constants.Z_BEST_SPEED });
  const name = `journal-${segment}`;
  parts.goOn();
  await parts.remote.put(`${folder}/${name}`, packed);
  return { parts: [name], bytes: packed.length };
}

/** Where the record behind the last one that counts would start. */
function endOf(segment: Buffer, lastSequence: number): number {
  let end = 0;
  for (let record = findRecord(segment, 0); record !== undefined; record = findRecord(segment, end)) {
    if (record.sequence > lastSequence) break;
    end = record.end;
  }
  return end;
}

/** Points that thinning takes, and all pins but the newest one's: only what that names is sure to stay. */
async function removeOthers(
  { remote, machine, goOn }: PublishParts,
  newest: PointName,
  olderPins: readonly string[],
): Promise<void> {
  const names = new Map<string, { point: PointName; files: string[] }>();
  for await (const name of remote.list(`${POINTS_FOLDER}/${machine}`)) {
    const point = pointOfName(name);
    if (point === undefined) continue;
    const folder = pointFolder(point);
    const found = names.get(folder) ?? { point, files: [] };
    names.set(folder, found);
    found.files.push(name);
  }
  const newestFirst = [...names.values()]
    .map(({ point }) => point)
    .sort((a, b) => b.madeAt - a.madeAt || b.appliedSequence - a.appliedSequence);
  const kept = new Set(copiesToKeep(newestFirst, newest.madeAt).map(pointFolder)).add(pointFolder(newest));
  const gone = [...names.entries()].filter(([folder]) => !kept.has(folder)).flatMap(([, { files }]) => files);
  goOn();
  // A point without its last file is none.
  const marks = gone.filter((name) => name.endsWith(`/${POINT_FILE}`));
  await remote.removeAll(marks);
  await remote.removeAll(gone.filter((name) => !marks.includes(name)));
  const pins = new Set(olderPins);
  for await (const name of remote.list(pinsOf(machine))) pins.add(name);
  pins.delete(pinName(newest));
  // One whose put comes late is removed with the next point.
  await remote.removeAll([...pins]);
}

async function putPin({ remote, changes }: PublishParts, name: string, bytes: Buffer): Promise<void> {
  if (changes === undefined) return remote.put(name, bytes);
  await changing(changes, { units: [name], kind: 'publish' }, () => remote.put(name, bytes));
}
