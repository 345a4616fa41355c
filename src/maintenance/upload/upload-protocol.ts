import type { EndedUpload, RemoteFile } from '../../catalog/uploads.js';
import type { ChangeAsks } from './shared-changes.js';

/** What an upload job is started with (its `workerData`). */
export interface UploadJobOptions {
  /** The datastore's folder. */
  readonly store: string;
  /** Nothing is uploaded; chunks are evicted although the bound holds: the disk is full. */
  readonly onlyEvict: boolean;
  /** As in `UploadParts`. */
  readonly isShared: boolean;
  readonly machine: string;
  readonly mayWithdraw: boolean;
}

/** What the job asks of whoever may write to the catalog; at most 1,000 rows each. */
export type UploadAsks = ChangeAsks & {
  /** These chunks are in the object store. The answer: whether to end the pass, since somebody waits for the next one alone. */
  readonly ended: { payload: readonly EndedUpload[]; result: boolean };
  /** These files are there now, and those are there no more. */
  readonly files: {
    payload: { readonly put: readonly RemoteFile[]; readonly removed: readonly string[] };
    result: null;
  };
  /** Of digests, one after the other, whether each may be put now: a collection of a shared object store may delete it. */
  readonly usable: { payload: Uint8Array; result: readonly boolean[] };
  /** Whether this machine is the writer of a group, which it becomes where nobody else is. */
  readonly 'take-group': { payload: string; result: boolean };
  /**
   * A pass is over. Whether to make another, with what was committed until now; null: not.
   * @param payload what it did
   */
  readonly again: { payload: UploadReport; result: Pick<UploadJobOptions, 'mayWithdraw'> | null };
  /** Readers see what was asked before, and so does the next mount after a power cut. */
  readonly commit: { payload: null; result: null };
};

/** What a pass did. */
export interface UploadReport {
  readonly chunks: number;
  readonly bytes: number;
  /** Chunks of the queue whose bytes are neither here nor in the object store. */
  readonly missing: number;
  /** Chunks of the queue that may be put only when a collection of the object store is over. */
  readonly waiting: number;
  /** It was ended before it was through the queue, and put no files. */
  readonly isCut: boolean;
  /** Snapshots that stay in the object store until the live trees are copied there (`mayWithdraw`). */
  readonly filesToRemove: number;
  /** Files of groups and snapshots that were put, and removed. */
  readonly filesPut: number;
  readonly filesRemoved: number;
  /** Bytes of chunks whose room was given back. */
  readonly evictedBytes: number;
  /** Whether more would have been evicted, were it in a snapshot or recovery point that is there. */
  readonly isHeldUp: boolean;
}
