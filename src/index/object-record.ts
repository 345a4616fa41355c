import { z } from 'zod';
import { type Digest, digestFromHex, digestHex } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import { objectRecordPath } from './object-files.js';

/** What is written of an object beside its index file. */
export interface ObjectRecord {
  readonly id: string;
  /** Its index file, relative to the datastore; undefined where the object is empty, or deleted. */
  readonly indexPath: string | undefined;
  /** Length of its content. */
  readonly bytes: number;
  /** Chunks its index file lists, repetitions included. */
  readonly chunks: number;
  /** MD5 of the content, 16 bytes. */
  readonly etag: Uint8Array;
  readonly sha256: Digest;
  /** How chunks that were new were stored: `none`, or `zstd:` and the level. */
  readonly compression: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** The same; undefined: it is there. */
  readonly deleted: number | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

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
export function encodeObjectRecord(record: ObjectRecord): Buffer {
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
export function parseObjectRecord(path: string, bytes: Uint8Array): ObjectRecord {
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
