import type { Command } from 'commander';
import { askDaemon, existingStore, optionsOf } from './context.js';
import { print, printJson } from './output.js';

/** `cairn refresh` */
export function addRefresh(program: Command): void {
  program
    .command('refresh')
    .description(
      'show now what other machines have published in the same S3 bucket; the daemon looks every 30 s by itself',
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ cairn refresh
  $ cairn refresh --json --store /mnt/backup`,
    )
    .action(run);
}

async function run(_: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ json?: boolean }>(command);
  const report = await askDaemon(await existingStore(options.store), 'refresh', {});
  if (options.json) return printJson(report);
  const { appeared, gone, changed, postponed } = report;
  print(`${appeared} snapshots of other machines appeared, ${gone} went`);
  if (changed > 0) print(`${changed} have other notes, protection or verification`);
  if (postponed > 0) print(`${postponed} appear when the collection of the object store has ended`);
}
