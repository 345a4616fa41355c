import type { BucketOutcome } from '../../control/gc-commands.js';
import { CairnError, kindOf } from '../../core/errors.js';
import type { WritableDatastore } from '../../datastore/open.js';
import type { BucketAsks, BucketJobOptions, BucketJobReport } from '../../maintenance/bucket/bucket-protocol.js';
import { runOwnedJob } from '../../maintenance/job/job-owner.js';
import type { GcContext } from '../gc-service.js';
import type { RecoveryPoints } from '../recovery-points/point-service.js';
import type { UploadService } from '../upload-service.js';
import type { SharedStore } from './shared-store.js';

const SCRIPT = new URL('./bucket-worker.js', import.meta.url);

/** What a collection of the object store is made with. */
export interface BucketGcParts {
  readonly datastore: WritableDatastore;
  readonly shared: SharedStore;
  readonly uploads: UploadService;
  readonly points: RecoveryPoints;
}

/**
 * Takes from a shared object store what no machine needs, after a collection here. First what is there is brought in line
 * with what is here: snapshots that were forgotten go.
 * @returns what was done, or why nothing was; nothing here depends on it
 * @throws {CairnError} `interrupted`
 */
export async function collectObjectStore(parts: BucketGcParts, context: GcContext): Promise<BucketOutcome> {
  const { uploads, points } = parts;
  try {
    await uploads.drain(context);
    await points.make(context);
    if (uploads.keepsWithdrawn) await uploads.drain(context);
    const { condemned, kept, deleted } = await parts.shared.collecting(() => runJob(parts, context));
    return { condemned, kept, deleted, problem: null, isBusy: false };
  } catch (error) {
    if (kindOf(error) === 'interrupted') throw error;
    const problem = error instanceof Error ? error.message : String(error);
    return { condemned: 0, kept: 0, deleted: 0, problem, isBusy: kindOf(error) === 'busy' };
  }
}

async function runJob({ datastore, shared }: BucketGcParts, context: GcContext): Promise<BucketJobReport> {
  const { lease } = await shared.ensure(context.signal);
  const { machine, host } = shared.status();
  const { leaseSeconds, settleSeconds } = shared;
  await lease.removeMarks(settleSeconds);
  const options: BucketJobOptions = {
    ...{ store: datastore.paths.root, machine, host, epoch: lease.epoch },
    ...{ leaseSeconds, settleSeconds },
  };
  return (await runOwnedJob<BucketAsks>({
    ...{ script: SCRIPT, options, signal: context.signal },
    handlers: {
      beat: async () => {
        await shared.beat();
        if (lease.isLost) throw new CairnError('stale', 'Other machines took this one for dead meanwhile');
        return null;
      },
    },
    onProgress: ({ total = 0, ...at }) => context.progress({ ...at, total }),
  })) as BucketJobReport;
}
