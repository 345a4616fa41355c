import type { Command } from 'commander';
import { checkMachine, checkTransports, thisMachine } from '../daemon/transport-checks.js';
import { optionsOf } from './context.js';
import { EXIT_PROBLEMS } from './exit-codes.js';
import { print, printJson, printTable } from './output.js';

/** `cairn doctor` */
export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('show what this machine lacks for mounts; exits with 6 where they cannot be made')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
A transport is how a mount is attached to the kernel (cairn mount --transport). Nothing is mounted to find out, and no
datastore is needed.

Examples:
  $ cairn doctor
  $ cairn doctor --json`,
    )
    .action(run);
}

async function run(_: unknown, command: Command): Promise<void> {
  const machine = thisMachine();
  const [checks, transports] = [checkMachine(machine), checkTransports(machine)];
  if (optionsOf<{ json?: boolean }>(command).json) printJson({ checks, transports });
  else {
    printTable(
      ['CHECK', 'STATE', 'FINDING'],
      checks.map(({ name, ok, finding }) => [name, ok ? 'ok' : 'missing', finding]),
    );
    print('');
    const rows = transports.map(({ name, available, reasons }) => [
      name,
      available ? 'available' : 'not available',
      reasons.join('; '),
    ]);
    printTable(['TRANSPORT', 'STATE', 'WHY NOT'], rows);
  }
  if (!transports.some(({ available }) => available)) process.exitCode = EXIT_PROBLEMS;
}
