import type { Digest } from '../../core/digest.js';
import type { GroupName } from '../../core/group.js';

/** How far a job is. */
export interface JobProgress {
  /** What is being done, e.g. `verifying chunks`. */
  readonly step: string;
  readonly done: number;
  readonly total?: number;
  readonly unit: 'bytes' | 'items';
}

/** A chunk whose bytes are what its digest says. Lengths in bytes. */
export interface VerifiedChunk {
  readonly digest: Digest;
  readonly length: number;
  readonly storedLength: number;
}

/** A snapshot that was verified. */
export interface VerifiedSnapshot {
  readonly group: GroupName;
  /** Its name, epoch seconds. */
  readonly time: number;
  readonly state: 'ok' | 'failed';
  /** Epoch seconds. */
  readonly startedAt: number;
}

/** What jobs write; only the catalog's one writer does any of it. What is not said to be durable is after `commit`. */
export interface CareWrites {
  /** Notes when chunks were verified, at most 1,000 at once; one that was bad is present again. */
  verified(chunks: readonly VerifiedChunk[], atSeconds: number): Promise<void>;
  /**
   * The chunk's file is absent or bad: nobody may use it again as it is. Durable when it resolves.
   * @param length plain length in bytes, for a chunk only an index file names so far
   * @returns false where the chunk was collected meanwhile: nothing misses it
   */
  markBad(digest: Digest, length: number): Promise<boolean>;
  /** Notes the outcome in manifest and catalog; false where the snapshot has gone. */
  snapshotVerified(snapshot: VerifiedSnapshot): Promise<boolean>;
  /** Makes everything written so far durable, so that readers of the catalog see it. */
  commit(): Promise<void>;
  /** The same, with file data that is in the journal only brought into chunks before, as far as that is possible. */
  settle(): Promise<void>;
}
