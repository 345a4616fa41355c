import type { EndedUpload, RemoteFile } from '../../catalog/uploads.js';

/** What an upload job is started with (its `workerData`). */
export interface UploadJobOptions {
  /** The datastore's folder. */
  readonly store: string;
  /** Nothing is uploaded; chunks are evicted although the bound holds: the disk is full. */
  readonly onlyEvict: boolean;
}

/** What the job asks of whoever may write to the catalog; at most 1,000 rows each. */
export type UploadAsks = {
  /** These chunks are in the object store. */
  readonly ended: { payload: readonly EndedUpload[]; result: null };
  /** These files are there now, and those are there no more. */
  readonly files: {
    payload: { readonly put: readonly RemoteFile[]; readonly removed: readonly string[] };
    result: null;
  };
  /** Readers see what was asked before. */
  readonly commit: { payload: null; result: null };
};

/** What a job did. */
export interface UploadReport {
  readonly chunks: number;
  readonly bytes: number;
  /** Chunks of the queue whose bytes are neither here nor in the object store. */
  readonly missing: number;
  /** Files of groups and snapshots that were put, and removed. */
  readonly filesPut: number;
  readonly filesRemoved: number;
  /** Bytes of chunks whose room was given back. */
  readonly evictedBytes: number;
}
