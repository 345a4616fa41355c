import type { CareCommandArguments, CareCommandName, CareCommandResult } from '../control/care-commands.js';
import { CairnError } from '../core/errors.js';
import type { Log } from '../core/log.js';
import { systemClock } from '../core/time.js';
import { openDatastoreReader } from '../datastore/open.js';
import { careContext } from '../maintenance/job/care-context.js';
import type { CareWrites } from '../maintenance/job/care-writes.js';
import { Pace } from '../maintenance/job/pace.js';
import { runCareJob } from '../maintenance/job/run-care-job.js';
import { type CareCaller, careHandlers } from './care-handlers.js';
import { ScratchFolder } from './scratch-folder.js';
import { withUnmounted } from './unmounted-store.js';
import { VerifyService } from './verify-service.js';

/**
 * Verifies, checks or repairs a datastore that is not mounted, in this process.
 * @throws {CairnError} `busy` where another process has the datastore, and what the command gives
 */
export function runUnmountedCare<C extends CareCommandName>(
  store: string,
  command: C,
  args: CareCommandArguments<C>,
  caller: CareCaller,
  log: Log,
): Promise<CareCommandResult<C>> {
  if (command === 'check') return checkUnmounted(store, caller, args as never) as Promise<CareCommandResult<C>>;
  return withUnmounted(store, log, async ({ datastore, live, snapshots }) => {
    const service = new VerifyService({ datastore, live, marks: snapshots.marks, log, requests: () => 0 });
    try {
      return await careHandlers((job, options, call) => service.run(job, options, call))[command](args, caller);
    } finally {
      await service.end();
    }
  });
}

const refuse = async (): Promise<never> => {
  throw new CairnError('read-only', 'A check writes nothing');
};
const NO_WRITES: CareWrites = {
  verified: refuse,
  markBad: refuse,
  snapshotVerified: refuse,
  commit: async () => undefined,
  settle: async () => undefined,
};

/** Without opening the store for writing, which would bring the journal in: it is looked at as it is. */
async function checkUnmounted(
  store: string,
  caller: CareCaller,
  args: CareCommandArguments<'check'>,
): Promise<CareCommandResult<'check'>> {
  const datastore = await openDatastoreReader(store);
  try {
    const context = careContext(datastore, {
      writes: NO_WRITES,
      pace: new Pace(undefined),
      clock: systemClock,
      signal: caller.signal,
      scratch: new ScratchFolder(),
      progress: (progress) => caller.progress(progress),
    });
    return await careHandlers((job, options) => runCareJob(context, job, options)).check(args, caller);
  } finally {
    datastore.close();
  }
}
