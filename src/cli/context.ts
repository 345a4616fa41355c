import { statSync } from 'node:fs';
import type { Command } from 'commander';
import type { callDaemon as CallDaemon, CallOptions } from '../control/client.js';
import type { CommandArguments, CommandName, CommandResult } from '../control/commands.js';
import { CairnError, kindOf } from '../core/errors.js';
import { ownSocketPath } from '../daemon/control-socket.js';
import { cairnMounts } from '../daemon/mounts.js';
import { type Announcement, readAnnouncement } from '../datastore/announcement.js';
import { readConfig } from '../datastore/config.js';
import { datastorePaths } from '../datastore/paths.js';
import { withProgress } from './progress-display.js';
import { chooseStore, type Surroundings } from './store-choice.js';

/** A daemon that says nothing for so long hangs. */
const ANSWER_WITHIN_MS = 10_000;

/** Options every command takes. */
export interface GlobalOptions {
  readonly store?: string;
  readonly debug?: boolean;
}

/** The options of a command together with those of the program. */
export function optionsOf<T>(command: Command): T & GlobalOptions {
  return command.optsWithGlobals<T & GlobalOptions>();
}

/** The machine we run on. */
export const surroundings: Surroundings = {
  environmentStore: process.env.CAIRN_STORE,
  mounts: cairnMounts,
};

/**
 * The real path of the datastore a command means.
 * @throws {CairnError} where it is not told, or there is none
 */
export async function existingStore(given: string | undefined): Promise<string> {
  const store = await chooseStore(given, surroundings);
  readConfig(datastorePaths(store));
  return store;
}

/** Who serves a datastore, as its last daemon announced; whether it lives only a call tells. */
export function announcementOf(store: string): Announcement | undefined {
  return readAnnouncement(datastorePaths(store));
}

/**
 * Asks the daemon of a datastore, and shows how far it is.
 * @throws {CairnError} `unreachable` where the datastore is not mounted, else what the daemon says
 */
export async function askDaemon<C extends CommandName>(
  store: string,
  command: C,
  args: CommandArguments<C>,
  options: CallOptions = {},
): Promise<CommandResult<C>> {
  const answer = await askIfMounted(store, command, args, options);
  if (answer === undefined) throw new CairnError('unreachable', `The datastore ${store} is not mounted`);
  return answer;
}

/** As `askDaemon`; undefined where no daemon listens. */
export async function askIfMounted<C extends CommandName>(
  store: string,
  command: C,
  args: CommandArguments<C>,
  options: CallOptions = {},
): Promise<CommandResult<C> | undefined> {
  // A daemon on a full disk may not have been able to announce itself.
  const socket = announcementOf(store)?.socket ?? ownSocketPath(store);
  if (!mayListen(socket)) return undefined;
  const { callDaemon } = await import('../control/client.js');
  if (!(await listens(socket, store, callDaemon))) return undefined;
  return withProgress((onProgress) => callDaemon(socket, command, args, { onProgress, ...options }));
}

/** False where no daemon is for sure, which then need not be asked: what it is asked with takes time to load. */
function mayListen(socket: string): boolean {
  try {
    return statSync(socket, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

/** A daemon that goes away in mid-command is an error; one that was gone before is not. */
async function listens(socket: string, store: string, callDaemon: typeof CallDaemon): Promise<boolean> {
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  try {
    await callDaemon(socket, 'ping', {}, { signal });
    return true;
  } catch (error) {
    if (kindOf(error) === 'unreachable') return false;
    if (!signal.aborted) throw error;
    const seconds = ANSWER_WITHIN_MS / 1000;
    throw new CairnError('not-ready', `The daemon of ${store} did not answer within ${seconds} s: try again later`);
  }
}
