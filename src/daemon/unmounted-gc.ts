import type { Log } from '../core/log.js';
import { type GcWorkerCommands, gcHandlers } from './gc-handlers.js';
import { type GcContext, GcService } from './gc-service.js';
import { withUnmounted } from './unmounted-store.js';
import { UploadService } from './upload-service.js';

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
    // An object store that machines share is collected by those who have it mounted.
    const uploads = UploadService.of(datastore, live, log);
    if (uploads !== undefined) service.onBegin((begun) => uploads.drain(begun));
    await service.load();
    return gcHandlers(service)[command](args, context);
  });
}
