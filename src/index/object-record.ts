import * as z from 'zod';
import { digestFromHex, digestHex } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import type { StoredObject } from '../core/stored-object.js';
import { objectRecordPath } from './object-files.js';

const FORMAT = 1;

const document = z.object({
  format: z.literal(FORMAT),
  id: z.string(),
  index: z
    .string()
    .regex(/^[^/]+\.didx$/)
    .nullable(),
  bytes: z.int().nonnegative(),
  chunks: z.int().nonnegative(),
  etag: z.string().regex(/^[0-9a-f]{32}$/),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  compression: z.string(),
  created: z.iso.datetime(),
  deleted: z.iso.datetime().nullable(),
  metadata: z.record(z.string(), z.string()),
});

/** The record as a file: JSON, with the index file's name in the same folder. */
export function encodeObjectRecord(record: StoredObject): Buffer {
  const { id, indexPath, bytes, chunks, etag, sha256, compression, created, deleted, metadata } = record;
  const value: z.input<typeof document> = {
    format: FORMAT,
    id,
    index: indexPath?.slice(indexPath.lastIndexOf('/') + 1) ?? null,
    bytes,
    chunks,
    etag: Buffer.from(etag).toString('hex'),
    sha256: digestHex(sha256),
    compression,
    created: new Date(created).toISOString(),
    deleted: deleted === undefined ? null : new Date(deleted).toISOString(),
    metadata,
  };
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}

/**
 * @param path where the file is, relative to the datastore
 * @throws {CairnError} `corrupt` where it is no record, or that of an object whose place is another
 */
export function parseObjectRecord(path: string, bytes: Uint8Array): StoredObject {
  const found = document.safeParse(parsed(path, bytes));
  if (!found.success) {
    const { path: at, message } = found.error.issues[0] ?? { path: [], message: 'not understood' };
    throw new CairnError('corrupt', `${path} is no record of an object: ${[...at, message].join(': ')}`);
  }
  const { id, index, etag, sha256, created, deleted, bytes: length, chunks, compression, metadata } = found.data;
  if (objectRecordPath(id) !== path) {
    throw new CairnError('corrupt', `${path} is the record of ${JSON.stringify(id)}, whose place is another`);
  }
  return {
    ...{ id, bytes: length, chunks, compression, metadata },
    indexPath: index === null ? undefined : `${path.slice(0, path.lastIndexOf('/'))}/${index}`,
    etag: Buffer.from(etag, 'hex'),
    sha256: digestFromHex(sha256),
    created: Date.parse(created),
    deleted: deleted === null ? undefined : Date.parse(deleted),
  };
}

function parsed(path: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch (error) {
    throw new CairnError('corrupt', `${path} is damaged: it is not JSON`, { cause: error });
  }
}
