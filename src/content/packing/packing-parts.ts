import type { Change } from '../../catalog/change.js';
import type { Extent } from '../../catalog/extent.js';
import type { Extents } from '../../catalog/extents.js';
import type { ChunkStore } from '../../chunkstore/chunk-store.js';
import type { ChunkSink } from '../chunk-sink.js';

/** What packing and cutting anew work on: the mount worker's own parts, or a snapshot job's picture of them. */
export interface PackingParts {
  readonly tree: {
    readonly extents: Pick<Extents, 'overlapping'> & {
      /** All extents of a file, ascending. */
      all(ino: number): Iterable<Extent>;
    };
  };
  readonly journal: {
    /** An open descriptor of the segment. */
    descriptor(segment: number): number;
  };
  readonly chunks: Pick<ChunkStore, 'hold' | 'release' | 'reuse' | 'load'>;
  readonly sink: ChunkSink;
  readonly log: {
    /** Makes the change; false where its `ifVersion` does not fit. */
    make(change: Change): boolean;
  };
}
