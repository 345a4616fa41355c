import { spawn } from 'node:child_process';
import type { Log } from '../../core/log.js';

const LIMIT_MS = 60_000;

/**
 * Tells a command of a failure: a shell runs it with the facts as JSON on its standard input. It is killed after a minute.
 * Never rejects: what goes wrong is logged.
 */
export function runFailureHook(command: string, facts: object, log: Log, limitMs = LIMIT_MS): Promise<void> {
  return new Promise((resolve) => {
    const child = spawn('/bin/sh', ['-c', command], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      // Its whole group: the shell's own children, too.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    }, limitMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      log.warn({ error, command }, 'The command for failures cannot be run');
      resolve();
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      if (timedOut) log.warn({ command }, 'The command for failures took too long and was killed');
      else if (code !== 0) log.warn({ command, code }, 'The command for failures failed');
      resolve();
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(`${JSON.stringify(facts)}\n`);
  });
}
