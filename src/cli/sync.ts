import type { Command } from 'commander';
import { askDaemon, existingStore, optionsOf } from './context.js';
import { print } from './output.js';

/** `cairn sync` */
export function addSync(program: Command): void {
  program
    .command('sync')
    .description(
      'wait until everything written so far survives a power cut, and all chunks and snapshots are in the object store, if there is one',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ cairn sync
  $ cairn sync --store /mnt/backup`,
    )
    .action(run);
}

async function run(_: unknown, command: Command): Promise<void> {
  const store = await existingStore(optionsOf(command).store);
  await askDaemon(store, 'sync', {});
  print('Everything written so far is durable');
}
