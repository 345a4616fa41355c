import type { BackendCommandArguments, BackendCommandName, BackendCommandResult } from '../control/backend-commands.js';
import type { Log } from '../core/log.js';
import { changeBackends } from '../datastore/change-backends.js';
import { claimDatastore } from '../datastore/claim.js';
import { openDatastoreReader } from '../datastore/open.js';
import { datastorePaths } from '../datastore/paths.js';
import {
  type BackendParts,
  backendHandlers,
  checkedChange,
  describeBackend,
  describeBackends,
} from './backend-handlers.js';
import type { CareCaller } from './care-handlers.js';
import { withUnmounted } from './unmounted-store.js';
import { VerifyService } from './verify-service.js';

/**
 * Does what is asked about the backends of a datastore that is not mounted, in this process.
 * @throws {CairnError} `busy` where another process has the datastore, and what the command gives
 */
export async function runUnmountedBackends<C extends BackendCommandName>(
  store: string,
  command: C,
  args: BackendCommandArguments<C>,
  caller: CareCaller,
  log: Log,
): Promise<BackendCommandResult<C>> {
  if (command === 'backend-list') return (await asReader(store, describeBackends)) as BackendCommandResult<C>;
  if (command === 'backend-show') {
    const { id } = args as BackendCommandArguments<'backend-show'>;
    return (await asReader(store, (parts) => describeBackend(parts, id))) as BackendCommandResult<C>;
  }
  if (command === 'backend-change') return (await changeUnmounted(store, args as never)) as BackendCommandResult<C>;
  return withUnmounted(store, log, async ({ datastore, live, snapshots }) => {
    const service = new VerifyService({ datastore, live, marks: snapshots.marks, log, requests: () => 0 });
    try {
      return await backendHandlers(datastore, (job, options, call) => service.run(job, options, call))[command](
        args,
        caller,
      );
    } finally {
      await service.end();
    }
  });
}

async function asReader<T>(store: string, work: (parts: BackendParts) => Promise<T>): Promise<T> {
  const datastore = await openDatastoreReader(store);
  try {
    return await work(datastore);
  } finally {
    datastore.close();
  }
}

async function changeUnmounted(
  store: string,
  change: BackendCommandArguments<'backend-change'>,
): Promise<BackendCommandResult<'backend-change'>> {
  const paths = datastorePaths(store);
  const claim = claimDatastore(paths);
  try {
    await changeBackends(paths, checkedChange(change));
    return {};
  } finally {
    claim.release();
  }
}
