import type { BucketReport } from '../../datastore/shared/bucket-collection.js';

/** What a collection of the object store is started with (its `workerData`). */
export interface BucketJobOptions {
  /** The datastore's folder. */
  readonly store: string;
  /** The lease under which all of it is done. */
  readonly machine: string;
  readonly epoch: number;
  /** For people. */
  readonly host: string;
  readonly leaseSeconds: number;
  readonly settleSeconds: number;
}

/** What the job asks of its owner. */
export type BucketAsks = {
  /** This machine shows that it lives, and answers the collection. */
  readonly beat: { payload: null; result: null };
};

/** What was done, in several rounds where there was much. */
export type BucketJobReport = BucketReport;
