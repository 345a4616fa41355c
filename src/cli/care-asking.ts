import type {
  CareCommandArguments,
  CareCommandName,
  CareCommandResult,
  DamagedChunk,
} from '../control/care-commands.js';
import { CairnError } from '../core/errors.js';
import { createLogger } from '../daemon/logger.js';
import { runUnmountedCare } from '../daemon/unmounted-care.js';
import { askIfMounted } from './context.js';
import { interruptible } from './interruption.js';
import { print, shownBytes } from './output.js';
import { withProgress } from './progress-display.js';

/** Files shown of one damaged chunk; `--json` has more. */
const SHOWN_FILES = 20;

/**
 * Runs a command that verifies, checks or repairs: by the daemon where the datastore is mounted, else here. Ctrl-C ends it
 * at its next step.
 * @throws {CairnError} `busy` where another process has the datastore, and what the command gives
 */
export function askCare<C extends CareCommandName>(
  store: string,
  command: C,
  args: CareCommandArguments<C>,
): Promise<CareCommandResult<C>> {
  return interruptible(async (signal) => {
    const answer = await askIfMounted(store, command, args as never, { signal });
    if (answer !== undefined) return answer as CareCommandResult<C>;
    const log = createLogger('fatal');
    return withProgress((progress) => runUnmountedCare(store, command, args, { progress, signal }, log));
  });
}

const CONDITIONS = { corrupt: 'corrupt', absent: 'missing', unreadable: 'unreadable' } as const;

/** Prints a damaged chunk and what needs it. */
export function printDamaged({ digest, lengthBytes, condition, files, moreFiles }: DamagedChunk): void {
  print(`Chunk ${digest} (${shownBytes(lengthBytes)}) is ${CONDITIONS[condition]}; damaged by that:`);
  for (const file of files.slice(0, SHOWN_FILES)) print(`    ${file}`);
  const more = Math.max(0, files.length - SHOWN_FILES) + moreFiles;
  if (more > 0) print(`    and ${more} more`);
  if (files.length === 0) print('    nothing that is known');
}

/** Prints what is wrong with a snapshot. */
export function printFindings({
  group,
  time,
  problems,
}: CareCommandResult<'verify-snapshots'>['snapshots'][number]): void {
  print(`${group}/${time}: ${problems.length === 0 ? 'ok' : problems.join('; ')}`);
}

/** A whole number an option gave. @throws {CairnError} `invalid` */
export function wholeNumber(text: string, what: string, least: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  throw new CairnError('invalid', `${what} is a whole number from ${least} on, not ${JSON.stringify(text)}`);
}
