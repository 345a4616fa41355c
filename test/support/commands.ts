import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

/** How a command ended. `status` is null where a signal ended it. */
export interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where and as whom a command runs. */
export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string | Uint8Array;
  readonly uid?: number;
  readonly gid?: number;
  /** Default two minutes; a command that takes longer is killed. */
  readonly limitMilliseconds?: number;
}

const MAX_OUTPUT_BYTES = 512 * 1024 * 1024;

/** Runs a command to its end, output as Latin-1 so that file names that are no UTF-8 stay what they are. */
export function runCommand(command: string, args: readonly string[], options: CommandOptions = {}): CommandResult {
  const { limitMilliseconds = 120_000, ...rest } = options;
  const ran = spawnSync(command, args, {
    ...rest,
    encoding: 'latin1',
    maxBuffer: MAX_OUTPUT_BYTES,
    timeout: limitMilliseconds,
    killSignal: 'SIGKILL',
  });
  if (ran.error !== undefined) throw new Error(`Cannot run ${command}`, { cause: ran.error });
  return { status: ran.status, stdout: ran.stdout, stderr: ran.stderr };
}

/** Runs a command that must succeed and returns what it printed. */
export function outputOf(command: string, args: readonly string[], options: CommandOptions = {}): string {
  const { status, stdout, stderr } = runCommand(command, args, options);
  assert.equal(status, 0, `${command} ${args.join(' ')} ended with ${status}: ${stderr}${stdout.slice(-2000)}`);
  return stdout;
}

/** Runs a command that must succeed beside whatever else goes on here. */
export async function outputLater(
  command: string,
  args: readonly string[],
  options: Pick<CommandOptions, 'cwd' | 'limitMilliseconds'> = {},
): Promise<string> {
  const { limitMilliseconds = 120_000, ...rest } = options;
  const limits = { maxBuffer: MAX_OUTPUT_BYTES, timeout: limitMilliseconds, killSignal: 'SIGKILL' } as const;
  try {
    return (await promisify(execFile)(command, args, { ...rest, ...limits, encoding: 'latin1' })).stdout;
  } catch (error) {
    const { code, signal, stdout, stderr } = error as NodeJS.ErrnoException &
      Record<'signal' | 'stdout' | 'stderr', string>;
    assert.fail(`${command} ${args.join(' ')} ended with ${signal ?? code}: ${stderr}${stdout.slice(-2000)}`);
  }
}

/** Whether a command is installed here. */
export function hasCommand(command: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' }).status === 0;
}

/** Waits until `condition` gives a value, asking every few milliseconds; fails with `what` after the limit. */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false,
  limitMilliseconds = 30_000,
): Promise<T> {
  const deadline = performance.now() + limitMilliseconds;
  for (;;) {
    const value = condition();
    if (value !== undefined && value !== false) return value;
    assert.ok(performance.now() < deadline, `Not within ${limitMilliseconds} ms: ${what}`);
    await delay(5);
  }
}

/** The file system types mounted on `point`, the topmost last. */
export function mountedOn(point: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines
    .map((line) => line.split(' '))
    .filter((fields) => fields[4] === point)
    .map((fields) => fields[fields.indexOf('-') + 1] ?? '');
}

/** Whether a process exists and is no zombie. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
