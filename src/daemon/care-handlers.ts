import { randomInt } from 'node:crypto';
import {
  type CareCommandArguments,
  type CareCommandName,
  type CareCommandResult,
  careCommands,
} from '../control/care-commands.js';
import type { Progress } from '../control/messages.js';
import { digestFromHex } from '../core/digest.js';
import type { JobProgress } from '../maintenance/job/care-writes.js';
import type { CareJobName, CareOptions, CareReport } from '../maintenance/job/protocol.js';

/** What the main thread asks the mount worker about what is stored: the clients' commands as they are. */
export type CareWorkerCommands = {
  [C in CareCommandName]: { arguments: CareCommandArguments<C>; result: CareCommandResult<C> };
};

/** Who waits for a command. */
export interface CareCaller {
  progress(progress: Progress): void;
  readonly signal: AbortSignal;
}

/** Runs a job to its end. */
export type RunCareJob = <J extends CareJobName>(
  job: J,
  options: CareOptions<J>,
  call: {
    readonly bytesPerSecond?: number | null;
    readonly onProgress: (progress: JobProgress) => void;
    readonly signal: AbortSignal;
  },
) => Promise<CareReport<J>>;

/** What is done for each command, given who waits. */
type HandlersOf<Context> = {
  readonly [C in CareCommandName]: (args: CareCommandArguments<C>, context: Context) => Promise<CareCommandResult<C>>;
};

/** The same without `readonly`: what a message is when it has travelled. */
type Plain<T> = T extends readonly (infer U)[]
  ? Plain<U>[]
  : T extends object
    ? { -readonly [K in keyof T]: Plain<T[K]> }
    : T;

function plain<T>(report: T): Plain<T> {
  return report as Plain<T>;
}

/** The mount worker's side; a store that is not mounted is served by the same. */
export function careHandlers(run: RunCareJob): HandlersOf<CareCaller> {
  const through = (caller: CareCaller, bytesPerSecond: number | null = null) => ({
    bytesPerSecond,
    onProgress: (progress: JobProgress) => caller.progress(progress),
    signal: caller.signal,
  });
  return {
    'verify-chunks': async ({ maxAgeDays, spread, bytesPerSecond }, caller) =>
      plain(await run('scrub', { maxAgeDays, spread }, through(caller, bytesPerSecond))),
    'verify-snapshots': async ({ targets, bytesPerSecond }, caller) =>
      plain(await run('snapshots', { targets }, through(caller, bytesPerSecond))),
    'verify-suspects': async ({ digests }, caller) =>
      plain(await run('suspects', { digests: digests.map(digestFromHex) }, through(caller))),
    'verify-restore': async ({ files, seed, bytesPerSecond }, caller) =>
      plain(await run('drill', { files, seed }, through(caller, bytesPerSecond))),
    repair: async (options, caller) => plain(await run('repair', options, through(caller))),
    check: async (options, caller) => plain(await run('check', options, through(caller))),
  };
}

/** The main thread's side: every command goes to the mount worker. */
export function passCareCommands<Context>(
  request: (command: CareCommandName, args: never, context: Context) => Promise<unknown>,
): HandlersOf<Context> {
  const names = Object.keys(careCommands) as CareCommandName[];
  const passing = names.map((name) => [name, (args: never, context: Context) => request(name, args, context)]);
  return Object.fromEntries(passing) as HandlersOf<Context>;
}

/** A seed for whoever named none. */
export function anySeed(): number {
  return randomInt(2 ** 32);
}
