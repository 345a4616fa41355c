import type { Command } from 'commander';
import { askCare } from './care-asking.js';
import { existingStore, optionsOf } from './context.js';
import { EXIT_PROBLEMS } from './exit-codes.js';
import { print, printJson } from './output.js';

/** `cairn check` */
export function addCheck(program: Command): void {
  program
    .command('check')
    .description(
      'compare catalog, snapshots, chunks and journal with each other; exits with 6 where something is damaged',
    )
    .option('--deep', 'also read every index file, list every chunk and check all of the catalog')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Nothing is changed, and no chunk is read: "cairn verify" does that.

Examples:
  $ cairn check
  $ cairn check --deep --json`,
    )
    .action(run);
}

async function run(_: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ deep?: boolean; json?: boolean }>(command);
  const store = await existingStore(options.store);
  const report = await askCare(store, 'check', { deep: options.deep === true });
  const damage = report.findings.filter(({ severity }) => severity === 'damage');
  if (options.json) printJson(report);
  else {
    for (const { severity, kind, path, message, advice } of report.findings) {
      print(`${severity === 'damage' ? 'DAMAGE ' : ''}${kind}: ${path}: ${message}; ${advice}`);
    }
    const listed = report.findings.length;
    const all = Object.values(report.counts).reduce((sum, count) => sum + count, 0);
    if (all > listed) print(`${all - listed} more findings of the same kinds are not listed`);
    print(damage.length === 0 ? 'No damage found' : `Damage found: ${damage.length} findings`);
  }
  if (damage.length > 0) process.exitCode = EXIT_PROBLEMS;
}
