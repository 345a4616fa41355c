import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { MAIN, type TestStore } from './mounted-store.js';

/** Runs a command that must succeed while the test goes on; resolves to what it printed. */
export function runAside(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const [output, errors]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (bytes: Buffer) => output.push(bytes));
    child.stderr.on('data', (bytes: Buffer) => errors.push(bytes));
    child.on('error', reject);
    child.on('close', (status) => {
      try {
        const shown = Buffer.concat([...errors, ...output])
          .toString()
          .slice(-2000);
        assert.equal(status, 0, `${command} ${args.join(' ')} ended with ${status}: ${shown}`);
        resolve(Buffer.concat(output).toString());
      } catch (error) {
        reject(error);
      }
    });
  });
}

/** Runs a `cairn` command on a store, which must succeed, while the test goes on; resolves to what it printed. */
export function cairnAside(store: TestStore, ...args: string[]): Promise<string> {
  return runAside(process.execPath, [MAIN, '--store', store.store, ...args]);
}
