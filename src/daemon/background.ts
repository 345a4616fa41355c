import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, openSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ErrorMessage, errorFrom } from '../control/messages.js';
import { CairnError, fromSystemError } from '../core/errors.js';
import { datastorePaths } from '../datastore/paths.js';
import { ownSocketPath, preparePrivateFolder } from './control-socket.js';
import type { DaemonOptions } from './main.js';

/** What the process in the background tells the one that started it: one of these, once. */
export type StartReport =
  | { readonly type: 'ready'; readonly mountpoint: string }
  | { readonly type: 'failed'; readonly error: ErrorMessage };

/** A daemon that runs by itself. */
export interface BackgroundDaemon {
  readonly pid: number;
  readonly mountpoint: string;
  /** Where it logs, unless it was asked to log elsewhere. */
  readonly logFile: string;
}

const PROGRAM = fileURLToPath(new URL('./background-process.js', import.meta.url));
const MAX_LOG_BYTES = 10 * 1024 * 1024;

/**
 * Starts a daemon that outlives this process and waits until its mount can be used.
 * @param signal ends the daemon again if it is aborted before that
 * @throws {CairnError} what kept the daemon from mounting
 */
export async function startInBackground(
  options: DaemonOptions,
  signal?: AbortSignal,
  program = PROGRAM,
): Promise<BackgroundDaemon> {
  const log = openLog(options.store);
  const child = fork(program, [], {
    detached: true,
    cwd: '/',
    execArgv: [],
    // All it prints goes to the log, also what Node says of a crash; a pipe would end with this process.
    stdio: ['ignore', log.descriptor, log.descriptor, 'ipc'],
  });
  closeSync(log.descriptor);
  const giveUp = (): void => {
    child.kill('SIGTERM');
  };
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    const mountpoint = await reported(child, options, log.path);
    return { pid: child.pid ?? 0, mountpoint, logFile: log.path };
  } finally {
    signal?.removeEventListener('abort', giveUp);
    if (child.connected) child.disconnect();
    child.unref();
  }
}

/** The log in the datastore, or beside the control socket where the datastore cannot be written. */
function openLog(store: string): { path: string; descriptor: number } {
  const inStore = datastorePaths(store).log;
  try {
    if ((statSync(inStore, { throwIfNoEntry: false })?.size ?? 0) > MAX_LOG_BYTES) {
      renameSync(inStore, `${inStore}.1`);
    }
    return { path: inStore, descriptor: openSync(inStore, 'a', 0o600) };
  } catch (error) {
    const { kind } = fromSystemError(error, '');
    if (kind !== 'read-only' && kind !== 'access-denied' && kind !== 'no-space' && kind !== 'quota-exceeded') {
      throw fromSystemError(error, `open the log ${inStore}`);
    }
    const path = ownSocketPath(store).replace(/\.sock$/, '.log');
    preparePrivateFolder(dirname(path));
    return { path, descriptor: openSync(path, 'a', 0o600) };
  }
}

function reported(child: ChildProcess, options: DaemonOptions, logFile: string): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(fromSystemError(error, 'start the daemon')));
    child.once('exit', (code, signal) => {
      const how = signal === null ? `exit code ${code}` : signal;
      reject(new CairnError('io', `The daemon ended before the mount was up (${how}); its log is ${logFile}`));
    });
    child.once('message', (report: StartReport) => {
      if (report.type === 'ready') resolve(report.mountpoint);
      else reject(errorFrom(report.error));
    });
    child.send(options, (error) => {
      if (error) reject(fromSystemError(error, 'start the daemon'));
    });
  });
}
