import type { Digest } from '../core/digest.js';

/** A piece of a file that lies in a chunk. */
export interface ChunkExtent {
  readonly kind: 'chunk';
  /** Where in the file it starts, bytes. */
  readonly offset: number;
  readonly length: number;
  readonly digest: Digest;
  /** Where in the chunk's plain bytes it starts. */
  readonly at: number;
  /** Plain length of the whole chunk, and length of its encoded file, both bytes. */
  readonly chunkLength: number;
  readonly storedLength: number;
}

/** A piece of a file whose bytes are in the journal only. */
export interface JournalExtent {
  readonly kind: 'journal';
  readonly offset: number;
  readonly length: number;
  readonly segment: number;
  /** Where in the segment file the bytes start. */
  readonly at: number;
}

/** A piece of a file. Extents of one file never overlap; what none covers is a hole. */
export type Extent = ChunkExtent | JournalExtent;
