import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';

/** How a program ended; `signal` is null unless one killed it. */
export interface ProgramEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

const LIMIT_MILLISECONDS = 60_000;

/** Starts Node on the text of an ES module. It is killed after a minute. */
export function startNodeProgram(source: string, wrapper: readonly string[] = []): ChildProcessWithoutNullStreams {
  const command = [...wrapper, process.execPath, '--input-type=module', '--eval', source];
  return spawn(command[0] as string, command.slice(1), { timeout: LIMIT_MILLISECONDS, killSignal: 'SIGKILL' });
}

/**
 * Runs Node on the text of an ES module, to its end.
 * @param wrapper a command to put before it, such as `prlimit …`
 */
export async function runNodeProgram(source: string, wrapper: readonly string[] = []): Promise<ProgramEnd> {
  const program = startNodeProgram(source, wrapper);
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  program.stdout.on('data', (bytes: Buffer) => stdout.push(bytes));
  program.stderr.on('data', (bytes: Buffer) => stderr.push(bytes));
  const [status, signal] = (await once(program, 'close')) as [number | null, NodeJS.Signals | null];
  return { status, signal, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}
