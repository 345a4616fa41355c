import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './commands.js';

/**
 * An rsync whose receiving side prints a file's name when all of the file has been received (%b), which is just
 * before it gives the file its final name: all names but the last printed are final. The "remote" shell makes the
 * process we talk to the receiving one.
 */
export class WatchedRsync {
  readonly #process: ChildProcess;
  #printed = '';

  /** @param shell what `makeShell` made */
  constructor(source: string, target: string, shell: string) {
    const args = ['-aHAX', '--numeric-ids', `--rsh=${shell}`, '--out-format=%b %n', `here:${source}/`, `${target}/`];
    this.#process = spawn('rsync', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#process.stdout?.on('data', (bytes: Buffer) => {
      this.#printed += bytes.toString();
    });
  }

  /** The files, relative to the target, that had their final names when the last line was printed. */
  finished(): string[] {
    const lines = this.#printed
      .slice(0, this.#printed.lastIndexOf('\n') + 1)
      .split('\n')
      .slice(0, -2);
    return lines.map((line) => line.slice(line.indexOf(' ') + 1)).filter((name) => !name.endsWith('/'));
  }

  get status(): number | null {
    return this.#process.exitCode;
  }

  async ended(): Promise<void> {
    await until('end of rsync', () => (this.#process.exitCode ?? this.#process.signalCode) !== null, 120_000);
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }
}

/** The "remote" shell: a script in `folder` that runs the command here. */
export function makeShell(folder: string): string {
  const shell = join(folder, 'shell');
  writeFileSync(shell, '#!/bin/sh\nshift\nexec "$@"\n', { mode: 0o755 });
  return shell;
}
