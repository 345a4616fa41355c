import type { CheckOptions, CheckReport } from '../check/check-store.js';
import type { RepairOptions, RepairReport } from '../repair/repair.js';
import type { IndexCopies } from '../spread/copy-indexes.js';
import type { MendOptions, MendReport } from '../spread/mend-store.js';
import type { DrillOptions, DrillReport } from '../verify/restore-drill.js';
import type { ScrubOptions, ScrubReport } from '../verify/scrub.js';
import type { SnapshotsReport, VerifySnapshotsOptions } from '../verify/verify-snapshots.js';
import type { SuspectsOptions, SuspectsReport } from '../verify/verify-suspects.js';
import type { CareWrites, JobProgress } from './care-writes.js';

/** What a job can be asked for, and what comes of it. */
export interface CareJobs {
  scrub: { options: ScrubOptions; report: ScrubReport };
  snapshots: { options: VerifySnapshotsOptions; report: SnapshotsReport };
  suspects: { options: SuspectsOptions; report: SuspectsReport };
  drill: { options: DrillOptions; report: DrillReport };
  repair: { options: RepairOptions; report: RepairReport };
  'copy-indexes': { options: Record<never, never>; report: IndexCopies };
  mend: { options: MendOptions; report: MendReport };
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
