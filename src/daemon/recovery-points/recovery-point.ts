import * as z from 'zod';
import { CairnError } from '../../core/errors.js';
import { formatSnapshotTime, snapshotTimeOf } from '../../core/snapshot-time.js';
import { isMachine } from '../../datastore/machine.js';

/** Folder of all recovery points in an object store: `<machine>/<time>.<sequence>/point.json` and the parts it lists. */
export const POINTS_FOLDER = '.cairn/recovery-points';
/** Written last: a point without it is none. */
export const POINT_FILE = 'point.json';

/** Of the year 9999, in seconds since 1970: what names of folders can hold. */
const LAST_SECOND = 253_402_300_799;

/** A file in pieces, each an object of its own in the point's folder; all of it compressed with gzip. */
const storedFile = z.object({
  parts: z.array(z.string().regex(/^[a-z0-9-]+$/)),
  /** Of all parts together. */
  bytes: z.number().int().nonnegative(),
});

const point = z.object({
  format: z.literal(1),
  machine: z.string().refine(isMachine),
  /** For people. */
  host: z.string(),
  /** Of the catalog's copy: seconds since 1970, and the sequence of the last change in it. */
  madeAt: z.number().int().nonnegative().max(LAST_SECOND),
  appliedSequence: z.number().int().nonnegative(),
  /** The copy of the catalog. */
  catalog: storedFile,
  /** The segments of the journal with bytes the copy speaks of, up to its last change. */
  journal: z.array(storedFile.extend({ segment: z.number().int().positive() })),
  /** The index file that keeps the live trees' chunks, by name. */
  pin: z.string().nullable(),
  /** The datastore's settings. */
  settings: z.unknown(),
});

/** What brings a machine's live trees back from an object store. */
export type RecoveryPoint = z.output<typeof point>;

/** One file of a point. */
export type StoredFile = z.output<typeof storedFile>;

/** Which point. */
export interface PointName {
  readonly machine: string;
  readonly madeAt: number;
  readonly appliedSequence: number;
}

/** The folder of a point. */
export function pointFolder({ machine, ...at }: PointName): string {
  return `${POINTS_FOLDER}/${machine}/${stampOf(at)}`;
}

/** The index file that keeps the chunks of a machine's live trees as they were at a point. */
export function pinName({ machine, ...at }: PointName): string {
  return `${pinsOf(machine)}/${stampOf(at)}.didx`;
}

/** The folder of a machine's pins. */
export function pinsOf(machine: string): string {
  return `pins/${machine}`;
}

/** The point whose folder has a file of this name; undefined where it is in none. */
export function pointOfName(name: string): PointName | undefined {
  const [machine = '', stamp = ''] = name.startsWith(`${POINTS_FOLDER}/`)
    ? name.slice(POINTS_FOLDER.length + 1).split('/')
    : [];
  const [, time = '', sequence] = /^([^.]+)\.(\d{1,16})$/.exec(stamp) ?? [];
  const madeAt = snapshotTimeOf(time);
  if (madeAt === undefined || !isMachine(machine)) return undefined;
  return { machine, madeAt, appliedSequence: Number(sequence) };
}

export function formatPoint(value: RecoveryPoint): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

/** @throws {CairnError} `corrupt` */
export function parsePoint(bytes: Uint8Array): RecoveryPoint {
  try {
    return point.parse(JSON.parse(Buffer.from(bytes).toString()));
  } catch (error) {
    throw new CairnError('corrupt', `A recovery point makes no sense: ${(error as Error).message}`, { cause: error });
  }
}

function stampOf({ madeAt, appliedSequence }: Omit<PointName, 'machine'>): string {
  return `${formatSnapshotTime(madeAt)}.${appliedSequence}`;
}
