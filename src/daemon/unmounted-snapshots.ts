import type {
  SnapshotCommandArguments,
  SnapshotCommandName,
  SnapshotCommandResult,
} from '../control/snapshot-commands.js';
import type { Log } from '../core/log.js';
import { CloneService } from './clone-service.js';
import { notingDamage } from './noting-damage.js';
import { type CommandContext, snapshotHandlers } from './snapshot-handlers.js';
import { withUnmounted } from './unmounted-store.js';

/**
 * Runs a command on snapshots of a datastore that is not mounted, in this process.
 * @throws {CairnError} `busy` where another process has the datastore, and what the command gives
 */
export function runUnmounted<C extends SnapshotCommandName>(
  store: string,
  command: C,
  args: SnapshotCommandArguments<C>,
  log: Log,
  context: CommandContext,
): Promise<SnapshotCommandResult<C>> {
  return withUnmounted(store, log, (opened) => {
    const { datastore, live, snapshots } = opened;
    const clones = new CloneService(datastore, live, snapshots, log, {
      mountedGroup: undefined,
      dropOrphan: (ino) => live.parts.log.make({ kind: 'drop-orphan', ino }),
      onPlaced: () => undefined,
    });
    return notingDamage(opened, log, () => snapshotHandlers(snapshots, clones)[command](args, context));
  });
}
