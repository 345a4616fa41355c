import type { Command } from 'commander';
import type { GcReport } from '../control/gc-commands.js';
import { existingStore, optionsOf } from './context.js';
import { parseDuration } from './duration.js';
import { EXIT_PROBLEMS } from './exit-codes.js';
import { askGc } from './gc-asking.js';
import { print, printJson, shownBytes, shownSeconds } from './output.js';

interface GcCommandOptions {
  readonly dryRun?: boolean;
  readonly full?: boolean;
  readonly grace?: number;
  readonly json?: boolean;
}

/** `cairn gc`; its subcommands are added to what it returns. */
export function addGc(program: Command): Command {
  return program
    .command('gc')
    .description('take away chunks that nothing uses any more')
    .option('-n, --dry-run', 'show what would be done and change nothing')
    .option('--full', 'read every index file, list every chunk, and compare with what is recorded')
    .option('--grace <duration>', 'delete what has been in quarantine for so long (default: 24h)', parseDuration)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Chunks that nothing uses go into quarantine, from where "cairn gc undelete" brings them back, and are deleted when the
grace period is over. Everything else may go on meanwhile; Ctrl-C ends it at any point without harm.

Examples:
  $ cairn gc --dry-run
  $ cairn gc
  $ cairn gc --grace 0
  $ cairn gc --full --store /srv/backup`,
    )
    .action(run);
}

async function run(_: unknown, command: Command): Promise<void> {
  const options = optionsOf<GcCommandOptions>(command);
  const store = await existingStore(options.store);
  const report = await askGc(store, 'gc', {
    dryRun: options.dryRun === true,
    full: options.full === true,
    graceSeconds: options.grace ?? null,
  });
  if (options.json) printJson(report);
  else show(report);
  if (report.plan.problemCount + report.problemCount > 0) process.exitCode = EXIT_PROBLEMS;
}

function show(report: GcReport): void {
  showPlan(report);
  if (!report.dryRun) {
    const { removed, freed, inUse, seconds } = report;
    const busy = inUse > 0 ? `, ${inUse} found in use and left alone` : '';
    print(`Removed       ${removed.chunks} chunks, ${shownBytes(removed.bytes)}${busy}`);
    print(`Freed         ${shownBytes(freed.bytes)} in ${shownSeconds(seconds)}`);
  }
  if (report.bucket !== null) {
    const { condemned, kept, deleted, problem, isBusy } = report.bucket;
    const said = `${deleted} chunks deleted${kept > 0 ? `, ${kept} of ${condemned} unnamed ones kept by some machine` : ''}`;
    print(`Object store  ${problem === null ? said : `not collected: ${problem}`}`);
    if (problem !== null && !isBusy) process.exitCode = EXIT_PROBLEMS;
  }
  for (const problem of [...report.plan.problems, ...report.problems]) print(`Problem       ${problem}`);
}

function showPlan({ plan, dryRun, graceSeconds }: GcReport): void {
  const line = (name: string, text: string): void => print(`${name.padEnd(14)}${text}`);
  const amount = (name: string, { chunks, bytes }: { chunks: number; bytes: number }, what: string): void => {
    if (chunks > 0) line(name, `${chunks} ${what}, ${shownBytes(bytes)}`);
  };
  line('In use', `${plan.referenced} chunks, named by live files and ${plan.indexFiles} index files`);
  amount('Unused', plan.unreferenced, 'chunks that nothing names any more');
  amount('Stray', plan.stray, 'chunk files that nothing knows, of work that was given up or crashed');
  amount('Corrupt', plan.bad, 'corrupt chunks set aside that nothing needs');
  amount('Unfinished', plan.unfinished, 'files of writes that were interrupted');
  amount('Expired', plan.expired, `chunks in quarantine for more than ${shownSeconds(graceSeconds)}`);
  amount('Quarantine', plan.quarantined, 'chunks that stay there for now');
  amount('Returned', plan.returned, 'chunks in quarantine that something names again');
  const { repack } = plan;
  if (repack.files > 0) {
    line('Repacked', `${repack.files} small files, out of ${repack.chunks} packs of ${shownBytes(repack.bytes)}`);
  }
  amount('Dead in packs', plan.deadInPacks, 'packs that snapshots keep');
  if (plan.foreign.files > 0) line('Foreign', `${plan.foreign.files} other files left alone: ${plan.foreign.names[0]}`);
  for (const { path, missing, surplus } of plan.differences) {
    line('Difference', `${path}: ${missing} chunks were not recorded, ${surplus} were that it does not name`);
  }
  if (!dryRun) return;
  const { freesBytes: now, freesLaterBytes: later } = plan;
  line('Would free', `${shownBytes(now)} (${now} bytes) at once, ${shownBytes(later)} (${later} bytes) later`);
}
