import * as z from 'zod';
import { CairnError } from '../core/errors.js';
import { type DatastoreConfig, FORMAT_VERSION } from './config.js';

/** Where an object store says which datastore it holds. */
export const BUCKET_NOTE = '.cairn/datastore.json';

const note = z.object({
  format: z.literal(FORMAT_VERSION),
  uuid: z.uuid(),
  created: z.string(),
  prefixDigits: z.union([z.literal(2), z.literal(4)]),
  verifyNew: z.boolean(),
});

/** What every folder in front of one object store must agree on. */
export type BucketNote = z.output<typeof note>;

export function formatBucketNote({ format, uuid, created, prefixDigits, verifyNew }: DatastoreConfig): Buffer {
  return Buffer.from(`${JSON.stringify({ format, uuid, created, prefixDigits, verifyNew }, null, 2)}\n`);
}

/**
 * @param title of the object store, for messages
 * @throws {CairnError} `unsupported` where a newer program wrote it, `corrupt` where it makes no sense
 */
export function parseBucketNote(bytes: Uint8Array, title: string): BucketNote {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch (error) {
    throw new CairnError('corrupt', `${title}: ${BUCKET_NOTE} is not JSON`, { cause: error });
  }
  const version = z.object({ format: z.number() }).safeParse(value);
  if (version.success && version.data.format > FORMAT_VERSION) {
    throw new CairnError('unsupported', `${title} was made by a newer program: use a newer cairn`);
  }
  const parsed = note.safeParse(value);
  if (!parsed.success) throw new CairnError('corrupt', `${title}: ${BUCKET_NOTE} makes no sense`);
  return parsed.data;
}
