import type { Digest } from '../core/digest.js';
import { addon } from './addon.js';
import { fromAddonError } from './addon-error.js';
import { type FilePath, requireBytes, requireDigest, requireInteger, requirePath } from './check.js';
import { noteHashed } from './hashed-bytes.js';

// A chunk's blob to its plain bytes in one job on a pool thread: reading, where it is a file, CRC32, zstd, SHA-256.

type Decode<From, To> = (digest: Digest, from: From, maxPlainBytes: number, plainLength: number | undefined) => To;

const native = addon as {
  decodeChunk: Decode<Uint8Array, Promise<Buffer>>;
  decodeChunkFile: Decode<FilePath, Promise<Buffer>>;
  decodeIntoCache: Decode<Uint8Array, Promise<void>>;
  decodeFileIntoCache: Decode<FilePath, Promise<void>>;
};

/** What a chunk has to be. */
export interface ExpectedChunk {
  readonly digest: Digest;
  /** More plain bytes than this are taken as damage. */
  readonly maxPlainBytes: number;
  /** How many plain bytes an index states, where known. */
  readonly plainLength?: number | undefined;
}

/**
 * The plain bytes of a chunk's blob, in a Buffer of the caller's own. Nobody writes to `blob` until it resolves.
 * @throws {CairnError} `corrupt` where the blob is damaged or another chunk's, `unsupported` where it is encrypted
 */
export function decodeChunk(expected: ExpectedChunk, blob: Uint8Array): Promise<Buffer> {
  return noted(decoding(expected, blob, requireBytes, native.decodeChunk));
}

/** As `decodeChunk`, of the blob that is the whole file. @throws also what reading gives: an Error of the system */
export function decodeChunkFile(expected: ExpectedChunk, path: FilePath): Promise<Buffer> {
  return noted(decoding(expected, path, requirePath, native.decodeChunkFile));
}

/** As `decodeChunk`, into the chunk cache. */
export function decodeIntoCache(expected: ExpectedChunk, blob: Uint8Array): Promise<void> {
  return decoding(expected, blob, requireBytes, native.decodeIntoCache);
}

/** As `decodeChunkFile`, into the chunk cache; nothing of it comes to JavaScript's memory. */
export function decodeFileIntoCache(expected: ExpectedChunk, path: FilePath): Promise<void> {
  return decoding(expected, path, requirePath, native.decodeFileIntoCache);
}

async function noted(decoded: Promise<Buffer>): Promise<Buffer> {
  const plain = await decoded;
  noteHashed(plain.length);
  return plain;
}

async function decoding<From, T>(
  { digest, maxPlainBytes, plainLength }: ExpectedChunk,
  from: From,
  check: (value: From, name: string) => void,
  decode: Decode<From, Promise<T>>,
): Promise<T> {
  requireDigest(digest);
  check(from, 'from');
  requireInteger(maxPlainBytes, 'maxPlainBytes');
  if (plainLength !== undefined) requireInteger(plainLength, 'plainLength');
  try {
    return await decode(digest, from, maxPlainBytes, plainLength);
  } catch (error) {
    throw fromAddonError(error, 'blob');
  }
}
