import type { CommandArguments, CommandResult } from '../control/commands.js';
import { runGcUnmounted } from '../daemon/unmounted-gc.js';
import { commandLog } from './command-log.js';
import { askIfMounted } from './context.js';
import { interruptible } from './interruption.js';
import { withProgress } from './progress-display.js';

type GcCommandName = 'gc' | 'gc-status' | 'gc-undelete';

/**
 * Runs a command on garbage, by the daemon where the datastore is mounted, else here; Ctrl-C gives it up without harm.
 * @throws {CairnError} `busy` where another process has the datastore, and what the command gives
 */
export function askGc<C extends GcCommandName>(
  store: string,
  command: C,
  args: CommandArguments<C>,
): Promise<CommandResult<C>> {
  return interruptible(async (signal) => {
    const answer = await askIfMounted(store, command, args, { signal });
    if (answer !== undefined) return answer;
    return withProgress((progress) =>
      runGcUnmounted(store, command, args as never, { signal, progress }, commandLog),
    ) as Promise<CommandResult<C>>;
  });
}
