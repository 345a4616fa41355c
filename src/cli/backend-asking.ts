import type { BackendCommandArguments, BackendCommandName, BackendCommandResult } from '../control/backend-commands.js';
import { createLogger } from '../daemon/logger.js';
import { runUnmountedBackends } from '../daemon/unmounted-backends.js';
import { printDamaged } from './care-asking.js';
import { askIfMounted } from './context.js';
import { EXIT_PROBLEMS } from './exit-codes.js';
import { interruptible } from './interruption.js';
import { print } from './output.js';
import { withProgress } from './progress-display.js';

/**
 * Runs a command on backends: by the daemon where the datastore is mounted, else here. Ctrl-C ends it at its next step.
 * @throws {CairnError} `busy` where another process has the datastore, and what the command gives
 */
export function askBackends<C extends BackendCommandName>(
  store: string,
  command: C,
  args: BackendCommandArguments<C>,
): Promise<BackendCommandResult<C>> {
  return interruptible(async (signal) => {
    const answer = await askIfMounted(store, command, args as never, { signal });
    if (answer !== undefined) return answer as BackendCommandResult<C>;
    const log = createLogger('fatal');
    return withProgress((progress) => runUnmountedBackends(store, command, args, { progress, signal }, log));
  });
}

/** Shows what mending found and did; sets the exit code where something is not as it should be. */
export function showMended(report: BackendCommandResult<'backend-mend'>, apply: boolean): void {
  for (const problem of report.problems) print(problem);
  report.damaged.forEach(printDamaged);
  report.missingPieces.forEach((line) => {
    print(line);
  });
  for (const { id, missing: lacking, orphaned } of report.backends) {
    if (lacking > 0) print(`${id} lacks ${lacking} pieces that were put there`);
    if (orphaned > 0) print(`${id} has ${orphaned} pieces that nothing needs`);
  }
  const { objects, whole, mended, degraded, lost, unknown, missing, strays } = report;
  const done = apply ? `${mended} mended, ${degraded} still lack pieces` : `${degraded} lack pieces`;
  print(`${objects} chunks: ${whole} whole, ${done}, ${lost} lost, ${missing} missing`);
  if (unknown > 0) print(`${unknown} chunks may be lost, or on backends that do not answer`);
  if (strays > 0) print(`${strays} chunks nobody knows: "cairn gc" removes them`);
  if (degraded + lost + unknown + missing > 0) process.exitCode = EXIT_PROBLEMS;
}
