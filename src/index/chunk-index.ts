import type { Digest } from '../core/digest.js';

/** Which of the two formats an index file has. */
export type IndexKind = 'dynamic' | 'fixed';

/**
 * An index file as its readers see it: an ordered list of whole chunks that together are one stream of bytes.
 * Chunk `i` holds the bytes [start(i), end(i)) of the stream. Nothing changes after it was made, so any number
 * of readers may share it. Positions outside [0, count) are a RangeError: the caller's fault, not the file's.
 */
export interface ChunkIndex {
  readonly kind: IndexKind;
  /** 16 bytes, made up anew for each file. */
  readonly uuid: Uint8Array;
  /** When the file was made, epoch seconds. */
  readonly ctime: number;
  /** How many chunks; at least 1. */
  readonly count: number;
  /** Length of the stream in bytes. */
  readonly contentLength: number;
  /** The checksum the header states; `computeChecksum` tells what it should be. */
  readonly checksum: Digest;
  /** A view into the index: copy it to keep it longer than the index. */
  digest(position: number): Digest;
  start(position: number): number;
  end(position: number): number;
  /**
   * Which chunk holds the byte at `offset`.
   * @throws {RangeError} unless 0 ≤ offset < contentLength
   */
  chunkAt(offset: number): number;
  /** SHA-256 over the list of chunks, as the header should state it (pbs-format §3, §4). */
  computeChecksum(): Digest;
}

/** Whether the checksum the header states is that of the list of chunks. */
export function checksumFits(index: ChunkIndex): boolean {
  return Buffer.compare(index.checksum, index.computeChecksum()) === 0;
}
