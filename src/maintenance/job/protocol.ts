import type { Digest } from '../../core/digest.js';
import type { GroupName } from '../../core/group.js';
import type { CheckOptions, CheckReport } from '../check/check-store.js';
import type { RepairOptions, RepairReport } from '../repair/repair.js';
import type { DrillOptions, DrillReport } from '../verify/restore-drill.js';
import type { ScrubOptions, ScrubReport } from '../verify/scrub.js';
import type { SnapshotsReport, VerifySnapshotsOptions } from '../verify/verify-snapshots.js';
import type { SuspectsOptions, SuspectsReport } from '../verify/verify-suspects.js';

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

/** What jobs write; only the catalog's one writer does any of it. What is not said to be durable is after `settle`. */
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
  /** Makes everything written so far durable, file data that only the journal has brought into chunks before. */
  settle(): Promise<void>;
}

/** What a job can be asked for, and what comes of it. */
export interface CareJobs {
  scrub: { options: ScrubOptions; report: ScrubReport };
  snapshots: { options: VerifySnapshotsOptions; report: SnapshotsReport };
  suspects: { options: SuspectsOptions; report: SuspectsReport };
  drill: { options: DrillOptions; report: DrillReport };
  repair: { options: RepairOptions; report: RepairReport };
  check: { options: CheckOptions; report: CheckReport };
}

export type CareJobName = keyof CareJobs;
export type CareOptions<J extends CareJobName> = CareJobs[J]['options'];
export type CareReport<J extends CareJobName> = CareJobs[J]['report'];

/** What a job's thread is started with (its `workerData`). */
export interface CareTask {
  /** The datastore's folder. */
  readonly store: string;
  /** Most bytes to read a second; null: any number while nobody else is busy. */
  readonly bytesPerSecond: number | null;
  readonly job: CareJobName;
  readonly options: CareOptions<CareJobName>;
}

export type CareCall = keyof CareWrites;

/** Job to whoever started it. */
export type FromCareJob =
  | { readonly type: 'progress'; readonly progress: JobProgress }
  | { readonly type: 'call'; readonly id: number; readonly call: CareCall; readonly arguments: readonly unknown[] }
  | { readonly type: 'report'; readonly report: unknown }
  | { readonly type: 'failed'; readonly kind: string; readonly message: string };

/** Whoever started it to the job. */
export type ToCareJob =
  | { readonly type: 'answer'; readonly id: number; readonly result: unknown }
  | { readonly type: 'refused'; readonly id: number; readonly kind: string; readonly message: string }
  /** Others want to read and write: go slowly, or need not any more. */
  | { readonly type: 'busy'; readonly busy: boolean }
  /** Stop at the next step; the report then says that it was interrupted. */
  | { readonly type: 'cancel' };
