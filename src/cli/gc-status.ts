import type { Command } from 'commander';
import type { GcStatus, LastGc } from '../control/gc-commands.js';
import { existingStore, optionsOf } from './context.js';
import { EXIT_PROBLEMS } from './exit-codes.js';
import { askGc } from './gc-asking.js';
import { print, printJson, shownBytes, shownSeconds } from './output.js';

/** `cairn gc status` */
export function addGcStatus(gc: Command): void {
  gc.command('status')
    .description('show how the last collection went, and what is in quarantine; exits with 6 where it failed')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ cairn gc status
  $ cairn gc status --json --store /srv/backup`,
    )
    .action(run);
}

async function run(_: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ json?: boolean }>(command);
  const status = await askGc(await existingStore(options.store), 'gc-status', {});
  if (options.json) printJson(status);
  else show(status);
  if ((status.last?.error ?? null) !== null) process.exitCode = EXIT_PROBLEMS;
}

function show({ running, step, last, quarantined, graceSeconds }: GcStatus): void {
  print(`Running     ${running ? (step ?? 'yes') : 'no'}`);
  print(`Last        ${last === null ? 'none' : shownLast(last)}`);
  print(
    `Quarantine  ${quarantined.chunks} chunks, ${shownBytes(quarantined.bytes)}, kept ${shownSeconds(graceSeconds)}`,
  );
}

function shownLast({ endedAt, report, error }: LastGc): string {
  if (error !== null || report === null) return `failed: ${error}`;
  const { removed, freed, seconds } = report;
  const ago = shownSeconds(Math.max(0, Date.now() / 1000 - endedAt));
  return `${ago} ago, took ${shownSeconds(seconds)}: ${removed.chunks} chunks removed, ${shownBytes(freed.bytes)} freed`;
}
