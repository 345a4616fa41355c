import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { CairnError, fromSystemError } from '../core/errors.js';
import { s3Config, spreadConfig } from './backend-config.js';
import type { DatastorePaths } from './paths.js';

/** Rises when an older program could not use, or would damage, a datastore of the new form. */
export const FORMAT_VERSION = 1;
/** Of datastores with several backends. */
export const SPREAD_FORMAT_VERSION = 2;

const versioned = z.object({ format: z.number().int().positive() });

const fields = z.object({
  format: z.literal([FORMAT_VERSION, SPREAD_FORMAT_VERSION]),
  /** Tells this datastore from every other, also when it is moved. */
  uuid: z.uuid(),
  /** RFC 3339. */
  created: z.string(),
  /** Hex digits of a digest that name its chunk's folder: 2 by default, 4 as PBS has it. */
  prefixDigits: z.union([z.literal(2), z.literal(4)]),
  /** Whether every new chunk is read back and verified before anything names it. */
  verifyNew: z.boolean().default(false),
  /** How long removed chunks stay in quarantine, seconds; absent: a day. May be changed by hand. */
  gcGraceSeconds: z.number().nonnegative().optional(),
  /** The object store behind the datastore; absent: its folder is all there is. */
  s3: s3Config.optional(),
  /** With an object store, how many bytes chunks may take in the folder; absent: any. May be changed by hand. */
  cacheBytes: z.number().int().positive().optional(),
  /** How many bytes of chunks may wait to be uploaded; absent: as many as the disk takes. May be changed by hand. */
  queueBytes: z.number().int().positive().optional(),
  /** What writers meet when so many wait; absent: they wait. May be changed by hand. */
  whenFull: z.enum(['wait', 'enospc']).optional(),
  /** What fsync waits for, with an object store; absent: the folder's disk. */
  durability: z.enum(['local', 'backend']).optional(),
  ...spreadConfig.shape,
});

const config = fields.refine(
  ({ format, backends }) => (format === SPREAD_FORMAT_VERSION) === (backends !== undefined),
  {
    path: ['format'],
    message: `${SPREAD_FORMAT_VERSION} where backends are listed, ${FORMAT_VERSION} where none are`,
  },
);

/** `.cairn/config.json`: what is fixed when a datastore is created, and where its chunks are. */
export type DatastoreConfig = z.output<typeof config>;

/** The text of a config file. */
export function formatConfig(value: DatastoreConfig): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/**
 * Reads and checks a datastore's config.
 * @throws {CairnError} `not-found` where there is no datastore, `unsupported` where its format is newer than
 *   this program, `corrupt` where the config makes no sense
 */
export function readConfig(paths: DatastorePaths): DatastoreConfig {
  const value = parsed(paths);
  const version = versioned.safeParse(value);
  if (version.success && version.data.format > SPREAD_FORMAT_VERSION) {
    throw new CairnError(
      'unsupported',
      `The datastore ${paths.root} has format version ${version.data.format}; this program reads up to ${SPREAD_FORMAT_VERSION}: use a newer cairn`,
    );
  }
  const result = config.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0] ?? { path: [], message: 'not understood' };
  throw new CairnError('corrupt', `${paths.config} is damaged: ${[...path, message].join(': ')}`);
}

function parsed(paths: DatastorePaths): unknown {
  let text: string;
  try {
    text = readFileSync(paths.config, 'utf8');
  } catch (error) {
    const failure = fromSystemError(error, `read ${paths.config}`);
    if (failure.kind !== 'not-found' && failure.kind !== 'not-a-directory') throw failure;
    throw new CairnError('not-found', whyNoDatastore(paths), { cause: error });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CairnError('corrupt', `${paths.config} is damaged: it is not JSON`, { cause: error });
  }
}

function whyNoDatastore(paths: DatastorePaths): string {
  if (!existsSync(paths.root))
    return `There is no datastore at ${paths.root}: create one with "cairn init ${paths.root}"`;
  if (existsSync(paths.unfinished)) {
    return `The creation of the datastore ${paths.root} was interrupted: run "cairn init ${paths.root}" again`;
  }
  if (existsSync(join(paths.chunks, '0000'))) {
    return `${paths.root} is a Proxmox Backup Server datastore that cairn has not taken over; it cannot be opened yet`;
  }
  return `${paths.root} is not a datastore: it has no .cairn/config.json`;
}
