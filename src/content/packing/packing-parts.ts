import type { Change } from '../../catalog/change.js';
import type { Extent } from '../../catalog/extent.js';
import type { Extents } from '../../catalog/extents.js';
import type { Inode } from '../../catalog/inode.js';
import type { ChunkStore } from '../../chunkstore/chunk-store.js';
import type { ChunkSink } from '../chunk-sink.js';

/** What packing and cutting anew work on: the mount worker's own parts, or a snapshot job's picture of them. */
export interface PackingParts {
  readonly tree: {
    readonly extents: Pick<Extents, 'overlapping'> & {
      /** All extents of a file that begin at `from` (default: 0) or behind, ascending. */
      all(ino: number, from?: number): Iterable<Extent>;
    };
    /** The files as they are now; not given where nothing changes meanwhile, in a picture. */
    readonly inodes?: { find(ino: number): Readonly<Inode> | undefined };
  };
  readonly journal: {
    /** An open descriptor of the segment. */
    descriptor(segment: number): number;
  };
  readonly chunks: Pick<ChunkStore, 'hold' | 'release' | 'reuse' | 'load' | 'read'>;
  readonly sink: ChunkSink;
  readonly log: {
    /** Makes the change; false where its `ifVersion` does not fit. */
    make(change: Change): boolean;
  };
}
