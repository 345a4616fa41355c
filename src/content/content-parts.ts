import type { Catalog } from '../catalog/open.js';
import type { ChunkStore } from '../chunkstore/chunk-store.js';
import type { Clock } from '../core/time.js';
import type { ChangeLog } from './change-log.js';
import type { ChunkSink } from './chunk-sink.js';
import type { Journal } from './journal/journal.js';
import type { Room } from './room.js';
import type { WriteBudget } from './write-budget.js';

/** What content asks the catalog for. */
export type ContentTree = Pick<Catalog, 'inodes' | 'extents' | 'listCopies'>;

/** The stores that files' bytes pass through, as one record. */
export interface ContentParts {
  readonly tree: ContentTree;
  readonly log: ChangeLog;
  readonly journal: Journal;
  readonly chunks: ChunkStore;
  readonly sink: ChunkSink;
  readonly budget: WriteBudget;
  readonly room: Room;
  readonly clock: Clock;
}
