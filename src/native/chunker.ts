import { DIGEST_BYTES, type Digest } from '../core/digest.js';
import { addon } from './addon.js';
import { requireBytes, requireInteger } from './check.js';
import { noteHashed } from './hashed-bytes.js';

/** Sizes of chunks cut by content, in bytes. */
export interface ChunkerOptions {
  /** No chunk but the last is smaller; at least 64. */
  readonly minBytes: number;
  /** What chunks tend to; cuts become likelier after it. */
  readonly averageBytes: number;
  /** No chunk is larger. */
  readonly maxBytes: number;
}

/** How to cut: where the content says (FastCDC), or every `chunkBytes`. */
export type Cutter =
  | ({ readonly kind: 'dynamic' } & ChunkerOptions)
  | { readonly kind: 'fixed'; readonly chunkBytes: number };

/** One chunk: its length in bytes and the SHA-256 of them. */
export interface Cut {
  readonly length: number;
  readonly digest: Digest;
}

/** Cuts as the addon gives them: the digests one after the other. */
export interface RawCuts {
  readonly lengths: number[];
  readonly digests: Buffer;
}

type ScanArguments = [bytes: Uint8Array, min: number, average: number, max: number, final: boolean];

const native = addon as {
  scanChunks(...args: ScanArguments): Promise<RawCuts>;
  scanChunksSync(...args: ScanArguments): RawCuts;
};

/** As many bytes as the rolling hash looks back. */
const MIN_CHUNK_BYTES = 64;

/**
 * Cuts complete chunks off the start of `bytes`; what follows the last of them is a beginning, to be given again with
 * the bytes after it. A cut depends only on the bytes since the last one, so the pieces in which bytes arrive do not
 * matter. Done on a pool thread; until then `bytes` may not be written to.
 * @param final the bytes end here: the rest, if any, is the last chunk
 */
export async function scanChunks(bytes: Uint8Array, cutter: Cutter, final: boolean): Promise<Cut[]> {
  requireBytes(bytes, 'bytes');
  noteHashed(bytes.length);
  return toCuts(await native.scanChunks(bytes, ...cutterSizes(cutter), final));
}

/** `scanChunks` on the calling thread: for tests and small runs. */
export function scanChunksSync(bytes: Uint8Array, cutter: Cutter, final: boolean): Cut[] {
  requireBytes(bytes, 'bytes');
  noteHashed(bytes.length);
  return toCuts(native.scanChunksSync(bytes, ...cutterSizes(cutter), final));
}

/**
 * The cutter as the addon takes it: minimum, average, maximum in bytes, all the same for fixed cuts.
 * @throws {TypeError|RangeError} where they are not in order
 */
export function cutterSizes(cutter: Cutter): [min: number, average: number, max: number] {
  if (cutter.kind === 'fixed') {
    requireInteger(cutter.chunkBytes, 'chunkBytes', 1);
    return [cutter.chunkBytes, cutter.chunkBytes, cutter.chunkBytes];
  }
  requireInteger(cutter.minBytes, 'minBytes', MIN_CHUNK_BYTES);
  requireInteger(cutter.averageBytes, 'averageBytes', cutter.minBytes);
  requireInteger(cutter.maxBytes, 'maxBytes', cutter.averageBytes);
  return [cutter.minBytes, cutter.averageBytes, cutter.maxBytes];
}

/** The addon's cuts one by one; the digests share one buffer. */
export function toCuts(raw: RawCuts): Cut[] {
  return raw.lengths.map((length, index) => {
    const at = index * DIGEST_BYTES;
    return { length, digest: raw.digests.subarray(at, at + DIGEST_BYTES) };
  });
}
