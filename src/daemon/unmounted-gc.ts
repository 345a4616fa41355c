import type { Log } from '../core/log.js';
import { type GcWorkerCommands, gcHandlers } from './gc-handlers.js';
import { type GcContext, GcService } from './gc-service.js';
import { UnmountedCollection } from './unmounted-collection.js';
import { withUnmounted } from './unmounted-store.js';

/**
 * Runs a command on garbage in a datastore that is not mounted, in this process.
 * @throws {CairnError} `busy` where another process has the datastore, and what the command gives
 */
export function runGcUnmounted<C extends keyof GcWorkerCommands>(
  store: string,
  command: C,
  args: GcWorkerCommands[C]['arguments'],
  context: GcContext,
  log: Log,
): Promise<GcWorkerCommands[C]['result']> {
  return withUnmounted(store, log, async ({ datastore, live }) => {
    const service = new GcService(datastore, live, log);
    await service.load();
    const collection = new UnmountedCollection({ datastore, live }, service, log);
    return gcHandlers(service, collection)[command](args, context);
  });
}
