import type { BackedUp, BackupArguments } from '../control/backup-commands.js';
import type { Log } from '../core/log.js';
import { BackupHere } from '../snapshot/backup/backup-here.js';
import type { StartBackup } from '../snapshot/backup/backup-maker.js';
import { BackupService } from './backup-service.js';
import { openSnapshotView } from './open-snapshot-view.js';
import type { CommandContext } from './snapshot-handlers.js';
import { withUnmounted } from './unmounted-store.js';

/** Nobody waits for this thread: one of its own would only have to load everything once more. */
const startHere: StartBackup = (options, onProgress) => new BackupHere(options, openSnapshotView, onProgress);

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
    new BackupService({ ...opened, onPlaced: () => undefined }, startHere).run(args, context),
  );
}
