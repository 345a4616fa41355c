import { CairnError, fromSystemError } from '../core/errors.js';
import { fileSize, readFile, readRange } from '../native/files.js';
import { indexKindOfName } from './archive-names.js';
import type { ChunkIndex } from './chunk-index.js';
import { parseDynamicIndex } from './dynamic-index.js';
import { parseFixedIndex } from './fixed-index.js';
import { indexKindOfMagic } from './index-header.js';

/**
 * An index file is taken for the one recorded while its size and its first 96 bytes (magic, uuid, ctime, checksum,
 * sizes) are the same (design §2).
 */
export const INDEX_IDENTITY_BYTES = 96;

/** What tells that an index file is still the one that was read before. */
export interface IndexIdentity {
  /** Length of the file in bytes. */
  readonly fileBytes: number;
  /** Its first 96 bytes; fewer where the file is shorter. */
  readonly header: Uint8Array;
}

/**
 * The index in these bytes, whichever format they have; the index keeps the bytes.
 * @throws {CairnError} `corrupt`
 */
export function parseIndex(bytes: Uint8Array): ChunkIndex {
  const kind = indexKindOfMagic(bytes);
  if (kind === undefined) throw new CairnError('corrupt', 'Not an index: wrong magic');
  return kind === 'dynamic' ? parseDynamicIndex(bytes) : parseFixedIndex(bytes);
}

/**
 * The index in the bytes of the file `name`, whose ending must fit the format.
 * @throws {CairnError} `corrupt`, naming the file; `invalid` where the name is no index file's
 */
export function parseIndexNamed(name: string, bytes: Uint8Array): ChunkIndex {
  const kind = indexKindOfName(name);
  if (kind === undefined) throw new CairnError('invalid', `Not an index file: ${name}`);
  try {
    return kind === 'dynamic' ? parseDynamicIndex(bytes) : parseFixedIndex(bytes);
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    throw new CairnError(error.kind, `${name}: ${error.message}`, { cause: error });
  }
}

/** The identity of an index file whose bytes are at hand; it does not keep them. */
export function indexIdentityOf(bytes: Uint8Array): IndexIdentity {
  return { fileBytes: bytes.length, header: Uint8Array.from(bytes.subarray(0, INDEX_IDENTITY_BYTES)) };
}

/** Whether both are of the same index file, unchanged. */
export function sameIndexIdentity(a: IndexIdentity, b: IndexIdentity): boolean {
  return a.fileBytes === b.fileBytes && Buffer.compare(a.header, b.header) === 0;
}

/** An index file that was read. */
export interface LoadedIndex {
  readonly index: ChunkIndex;
  readonly identity: IndexIdentity;
}

/**
 * Reads an index file.
 * @throws {CairnError} `corrupt` for a malformed one, `not-found`, and what else reading a file gives
 */
export async function loadIndex(path: string): Promise<LoadedIndex> {
  const bytes = await fileBytes(path);
  return { index: parseIndexNamed(path, bytes), identity: indexIdentityOf(bytes) };
}

async function fileBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw fromSystemError(error, `read index ${path}`);
  }
}

/**
 * Reads only what tells whether an index file changed.
 * @throws {CairnError} `not-found`, and what else reading a file gives
 */
export async function loadIndexIdentity(path: string): Promise<IndexIdentity> {
  try {
    const bytes = await fileSize(path);
    const header = await readRange(path, 0, Math.min(bytes, INDEX_IDENTITY_BYTES));
    return { fileBytes: bytes, header };
  } catch (error) {
    throw fromSystemError(error, `read index ${path}`);
  }
}
