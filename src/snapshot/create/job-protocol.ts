import type { Change } from '../../catalog/change.js';
import type { IndexFile } from '../../catalog/index-files.js';
import type { SnapshotFacts, SnapshotFile } from '../../catalog/snapshots.js';
import type { ChunkStoreCounters } from '../../chunkstore/chunk-store.js';
import type { ErrorKind } from '../../core/errors.js';
import type { GroupName } from '../../core/group.js';

/** What a snapshot job is started with (its `workerData`). */
export interface SnapshotJobOptions {
  /** The datastore's folder. */
  readonly store: string;
  readonly group: GroupName;
  /** Row of `groups`, and inode of its `current/`. */
  readonly groupId: number;
  readonly currentIno: number;
  /** Name of the snapshot, epoch seconds. */
  readonly time: number;
  /** Scope of the chunks it holds (native/holds); whoever starts the job ends it. */
  readonly holds: number;
}

/** A chunk the job wrote. */
export interface WrittenChunk {
  readonly digest: Uint8Array;
  readonly length: number;
  readonly stored: number;
}

/** An index file the job published, and the chunks it lists: 32 bytes of digest each, and their plain lengths. */
export interface PublishedIndex {
  readonly file: IndexFile;
  readonly digests: Uint8Array;
  readonly lengths: Float64Array;
}

/** What a job has done to file data; metadata and 16-byte items are in it, too. */
export interface JobWork {
  /** Of its own chunk store. */
  readonly chunks: Readonly<ChunkStoreCounters>;
  /** Plain bytes given to SHA-256. */
  readonly hashedBytes: number;
  /** Large files with parts of chunks that no index can list (cloned ranges), which were cut anew. */
  readonly recutFiles: number;
}

/** What came of a job. */
export interface PublishedSnapshot {
  readonly indexes: readonly PublishedIndex[];
  readonly written: readonly WrittenChunk[];
  readonly files: readonly SnapshotFile[];
  readonly contentBytes: number;
  readonly entries: number;
  readonly work: JobWork;
  /** What was noted of it where it comes from; absent: nothing. */
  readonly marks?: Partial<Pick<SnapshotFacts, 'isProtected' | 'notes'>>;
  /** Absent: yes. The catalog lists only snapshots that hold a tree. */
  readonly holdsTree?: boolean;
}

/** Job to mount worker. */
export type FromJob =
  /** Its thread runs; it waits for `begin`. */
  | { readonly type: 'loaded' }
  /** Its picture of the catalog is open. */
  | { readonly type: 'picture' }
  /** Content changes that swap what it has packed or cut into the live tree; their chunks are durable. */
  | { readonly type: 'swaps'; readonly changes: readonly Change[] }
  /** Everything is on disk and durable; the job has ended. */
  | { readonly type: 'published'; readonly snapshot: PublishedSnapshot }
  | { readonly type: 'failed'; readonly kind: ErrorKind; readonly message: string };

/** Mount worker to job: the commit the picture is to show has returned. */
export type ToJob = { readonly type: 'begin' };

/** What of a published snapshot changes hands instead of being copied: 40 bytes for each chunk it lists. */
export function buffersOf({ indexes }: PublishedSnapshot): ArrayBuffer[] {
  return indexes.flatMap(({ digests, lengths }) => [digests.buffer as ArrayBuffer, lengths.buffer as ArrayBuffer]);
}
