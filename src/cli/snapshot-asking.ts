import type {
  SnapshotCommandArguments,
  SnapshotCommandName,
  SnapshotCommandResult,
} from '../control/snapshot-commands.js';
import { runUnmounted } from '../daemon/unmounted-snapshots.js';
import { commandLog } from './command-log.js';
import { askIfMounted } from './context.js';
import { interruptible } from './interruption.js';
import { withProgress } from './progress-display.js';

/**
 * Runs a command on snapshots: by the daemon where the datastore is mounted, else here.
 * @throws {CairnError} `busy` where another process has the datastore, and what the command gives
 */
export async function askSnapshots<C extends SnapshotCommandName>(
  store: string,
  command: C,
  args: SnapshotCommandArguments<C>,
): Promise<SnapshotCommandResult<C>> {
  const answer = await askIfMounted(store, command, args as never);
  if (answer !== undefined) return answer as SnapshotCommandResult<C>;
  return interruptible((signal) =>
    withProgress((progress) => runUnmounted(store, command, args, commandLog, { signal, progress })),
  );
}
