import type { Command } from 'commander';
import { lookUpIndex } from '../daemon/look-ups.js';
import { existingStore, optionsOf } from './context.js';
import { print, printJson, printTable, shownBytes } from './output.js';

/** `cairn index` and what is below it. */
export function addIndex(program: Command): void {
  const index = program.command('index').description('look at the index of chunks and objects');
  index
    .command('stats')
    .description('show how many chunks and objects there are; at once, however many')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Shown is what was committed, a few seconds ago where the datastore is mounted. "cairn df" tells what takes the space.

Examples:
  $ cairn index stats
  $ cairn index stats --json --store /srv/backup`,
    )
    .action(stats);
}

async function stats(_: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ json?: boolean }>(command);
  const found = await lookUpIndex(await existingStore(options.store));
  if (options.json) {
    printJson(found);
    return;
  }
  const rows = Object.entries(found.chunks).map(([state, { chunks, bytes, storedBytes }]) => [
    ...[state, String(chunks), shownBytes(bytes), shownBytes(storedBytes)],
  ]);
  printTable(['CHUNKS', 'COUNT', 'BYTES', 'STORED'], rows);
  if (found.compressionRatio !== null) print(`Compression  ${found.compressionRatio.toFixed(2)}x`);
  print(`Objects      ${found.objects}, ${shownBytes(found.objectBytes)}`);
  print(`Live files   ${found.liveInodes} inodes, ${shownBytes(found.liveBytes)}`);
}
