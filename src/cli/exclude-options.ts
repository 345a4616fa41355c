import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { fromSystemError } from '../core/errors.js';

/** What the options say. */
export interface ExcludeOptions {
  readonly exclude: readonly string[];
  readonly excludeFrom: readonly string[];
}

/** Adds `--exclude` and `--exclude-from` to a command. */
export function addExcludeOptions(command: Command): Command {
  const repeated = (flags: string, description: string): Option =>
    new Option(flags, description).default([], 'none').argParser((value, before: string[]) => [...before, value]);
  return command
    .addOption(repeated('--exclude <pattern>', 'leave out what fits the pattern, as in a .gitignore file (repeatable)'))
    .addOption(repeated('--exclude-from <file>', 'leave out what fits a pattern in the file (repeatable)'));
}

/** All patterns the options give. @throws {CairnError} what reading a file gives */
export function patternsOf({ exclude, excludeFrom }: ExcludeOptions): string[] {
  return [...exclude, ...excludeFrom.flatMap(patternsIn)];
}

/** Empty lines and comments are what they are in a .gitignore file: nothing. */
function patternsIn(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split(/\r?\n/);
  } catch (error) {
    throw fromSystemError(error, `read the patterns in ${file}`);
  }
}
