import type { BackedUp, BackupArguments } from '../control/backup-commands.js';
import type { Log } from '../core/log.js';
import { BackupService } from './backup-service.js';
import type { CommandContext } from './snapshot-handlers.js';
import { withUnmounted } from './unmounted-store.js';

/**
 * Backs a folder up into a datastore that is not mounted, in this process.
 * @throws {CairnError} `busy` where another process has the datastore, and as `BackupService.run`
 */
export function runUnmountedBackup(
  store: string,
  args: BackupArguments,
  context: CommandContext,
  log: Log,
): Promise<BackedUp> {
  return withUnmounted(store, log, (opened) =>
    new BackupService({ ...opened, onPlaced: () => undefined }).run(args, context),
  );
}
