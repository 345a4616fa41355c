import { readFileSync } from 'node:fs';
import { CairnError } from '../core/errors.js';

/** What Node puts in the place of bytes that are no UTF-8. */
const REPLACEMENT = '\ufffd';

/**
 * Refuses arguments that Node could not decode: they would name something else than what was meant, or make it.
 * @param args as Node gives them @param commandLine reads the bytes of the whole command line, each argument ended by NUL
 * @throws {CairnError} `invalid`
 */
export function requireText(args: readonly string[], commandLine = () => readFileSync('/proc/self/cmdline')): void {
  if (!args.some((argument) => argument.includes(REPLACEMENT))) return;
  // Split as Latin-1, each byte is a character. Node and the program come first.
  const given = commandLine().toString('latin1').split('\0').slice(0, -1).slice(-args.length);
  const garbled = args.find((argument, at) => Buffer.from(argument).toString('latin1') !== given[at]);
  if (garbled === undefined) return;
  const advice = 'name the folder above it instead, or what has another name';
  throw new CairnError('invalid', `The argument ${JSON.stringify(garbled)} is not valid UTF-8: ${advice}`);
}
