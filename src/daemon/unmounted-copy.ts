import type { Copied, CopyArguments } from '../control/copy-commands.js';
import type { Log } from '../core/log.js';
import { CopyService } from './copy-service.js';
import type { CommandContext } from './snapshot-handlers.js';
import { withUnmounted } from './unmounted-store.js';

/**
 * Copies snapshots and objects into a datastore that is not mounted, in this process.
 * @throws {CairnError} `busy` where another process has the datastore, and as `CopyService.run`
 */
export function runUnmountedCopy(
  store: string,
  args: CopyArguments,
  context: CommandContext,
  log: Log,
): Promise<Copied> {
  return withUnmounted(store, log, (opened) =>
    new CopyService({ ...opened, onPlaced: () => undefined, onObject: () => undefined }).run(args, context),
  );
}
