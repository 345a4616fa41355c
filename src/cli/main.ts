#!/usr/bin/env node
import { CommanderError } from 'commander';
import { fromSystemError } from '../core/errors.js';
import { requireText } from './arguments.js';
import { EXIT_OK, EXIT_USAGE, exitCodeOf } from './exit-codes.js';
import { complain } from './output.js';
import { createProgram, parsedArguments } from './program.js';

void main();

async function main(): Promise<void> {
  const given = process.argv.slice(2);
  const args = parsedArguments(given);
  const program = await createProgram(args);
  const failed = (error: unknown): number => report(error, program.opts<{ debug?: boolean }>().debug === true);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Who reads our output may have seen enough (`cairn snapshot list | head`).
    process.exit(error.code === 'EPIPE' ? EXIT_OK : failed(fromSystemError(error, 'write the output')));
  });
  try {
    requireText(given);
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    process.exitCode = failed(error);
  }
}

/** Says in one line what went wrong; commander has said it itself. Returns the exit code. */
function report(error: unknown, debug: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  const line = error instanceof Error ? error.message : String(error);
  complain(line.replaceAll('\n', ' '));
  if (debug && error instanceof Error) process.stderr.write(`${chain(error)}\n`);
  return exitCodeOf(error);
}

/** The stacks of an error and of its causes. */
function chain(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${chain(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}
