import type { Command } from 'commander';
import type { CareCommandResult } from '../control/care-commands.js';
import { CairnError, kindOf } from '../core/errors.js';
import { groupPath } from '../core/group.js';
import { formatSnapshotTime } from '../core/snapshot-time.js';
import { anySeed } from '../daemon/care-handlers.js';
import { openDatastoreReader } from '../datastore/open.js';
import { requireSnapshot } from '../snapshot/find-snapshot.js';
import { askCare, printDamaged, printFindings, wholeNumber } from './care-asking.js';
import { announcementOf, existingStore, optionsOf, surroundings } from './context.js';
import { EXIT_INTERRUPTED, EXIT_PROBLEMS } from './exit-codes.js';
import { print, printJson, shownBytes } from './output.js';
import { chooseGroup } from './store-choice.js';
import { chooseSnapshot } from './tree-choice.js';

interface VerifyOptions {
  readonly maxAge: string;
  readonly all?: boolean;
  readonly spread?: boolean;
  readonly rate?: string;
  readonly restore?: string;
  readonly seed?: string;
  readonly json?: boolean;
}

/** `cairn verify [SNAPSHOT…]` */
export function addVerify(program: Command): void {
  program
    .command('verify')
    .description('read back what is stored and check it; exits with 6 where something is damaged')
    .argument('[snapshots...]', 'snapshots or whole groups, or their paths inside a mount; none: the chunks of all')
    .option('--max-age <days>', 'verify the chunks not verified for so many days', '30')
    .option('--all', 'verify every chunk, whenever it was last')
    .option('--spread', 'for a daily run: also verify ahead, so that every day has the same share to do')
    .option('--rate <MB/s>', 'read at most so many megabytes a second')
    .option(
      '--restore <files>',
      'restore so many random files of the newest snapshots to a temporary folder and compare',
    )
    .option('--seed <number>', 'restore the same files as a run before')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Without a snapshot the index files and manifests of all are read, then chunks, those verified longest ago first; a run that
is broken off is continued by the next. Damaged chunks are set aside,
the files concerned are named, and what the live trees still have is stored anew at once. Writing a file again
(rsync -aI) or "cairn repair --from FOLDER" heals the rest.

Examples:
  $ cairn verify
  $ cairn verify --all --rate 50
  $ cairn verify host/web1/2026-11-20T10:00:00Z
  $ cairn verify host/web1
  $ cairn verify --restore 20`,
    )
    .action(run);
}

async function run(given: readonly string[], _: unknown, command: Command): Promise<void> {
  const options = optionsOf<VerifyOptions>(command);
  if (given.length > 0 && options.restore !== undefined) {
    throw new CairnError('invalid', '--restore picks its snapshots itself: name none');
  }
  if (options.restore !== undefined) await drill(options, options.restore, await existingStore(options.store));
  else if (given.length > 0) await verifyNamed(given, options, options.store);
  else await verifyChunks(options, await existingStore(options.store));
}

function rateOf({ rate }: VerifyOptions): number | null {
  if (rate === undefined) return null;
  const megabytes = Number(rate);
  if (Number.isFinite(megabytes) && megabytes > 0) return megabytes * 1e6;
  throw new CairnError('invalid', `--rate is a number of megabytes a second, not ${JSON.stringify(rate)}`);
}

async function verifyChunks(options: VerifyOptions, store: string): Promise<void> {
  const maxAgeDays = options.all ? 0 : wholeNumber(options.maxAge, '--max-age', 0);
  const args = { maxAgeDays, spread: options.spread === true, bytesPerSecond: rateOf(options) };
  const report = await askCare(store, 'verify-chunks', args);
  if (options.json) printJson(report);
  else showChunks(report);
  const found = report.damaged.length + report.snapshots.length + report.objects.length;
  if (found > 0) process.exitCode = EXIT_PROBLEMS;
  else if (report.interrupted) process.exitCode = EXIT_INTERRUPTED;
}

function showChunks(report: CareCommandResult<'verify-chunks'>): void {
  report.damaged.forEach(printDamaged);
  report.snapshots.forEach(printFindings);
  for (const { path, reason } of report.objects) print(`${path}: ${reason}`);
  if (report.healed > 0) print(`Healed: ${report.healed} chunks`);
  const damaged = report.damaged.length === 0 ? 'none damaged' : `${report.damaged.length} damaged`;
  print(`Verified ${report.chunks} chunks, ${shownBytes(report.bytes)}: ${damaged}`);
  const { snapshots, objects } = report;
  if (snapshots.length > 0) print(`${snapshots.length} snapshots are damaged: "cairn repair" says what helps`);
  if (objects.length > 0) print(`${objects.length} objects are damaged: put them again, or delete them`);
  const oldest = report.oldestAt === null ? 'no chunk' : `each chunk since ${formatSnapshotTime(report.oldestAt)}`;
  const never = report.never === 0 ? '' : `, but for ${report.never} never verified`;
  print(`Coverage: ${oldest}${never}${report.interrupted ? '; broken off, the next run goes on here' : ''}`);
}

async function drill(options: VerifyOptions, files: string, store: string): Promise<void> {
  const seed = options.seed === undefined ? anySeed() : wholeNumber(options.seed, '--seed', 0);
  const args = { files: wholeNumber(files, '--restore', 1), seed, bytesPerSecond: rateOf(options) };
  const report = await askCare(store, 'verify-restore', args);
  if (options.json) printJson(report);
  else {
    for (const { path, reason } of report.failures) print(`${path}: ${reason}`);
    const failed = report.failures.length === 0 ? 'all as they should be' : `${report.failures.length} failed`;
    print(`Restored ${report.files} files, ${shownBytes(report.bytes)} (--seed ${report.seed}): ${failed}`);
  }
  if (report.failures.length > 0) process.exitCode = EXIT_PROBLEMS;
}

async function verifyNamed(given: readonly string[], options: VerifyOptions, named: string | undefined): Promise<void> {
  const targets = [];
  for (const text of given) targets.push(await targetOf(text, named));
  const store = targets[0]?.store as string;
  if (targets.some((target) => target.store !== store)) {
    throw new CairnError('invalid', 'These are snapshots of several datastores: verify them one datastore at a time');
  }
  const args = { targets: targets.map(({ group, time }) => ({ group, time })), bytesPerSecond: rateOf(options) };
  const report = await askCare(store, 'verify-snapshots', args);
  if (options.json) printJson(report);
  else showSnapshots(report);
  if (report.snapshots.some(({ problems }) => problems.length > 0)) process.exitCode = EXIT_PROBLEMS;
}

function showSnapshots(report: CareCommandResult<'verify-snapshots'>): void {
  report.damaged.forEach(printDamaged);
  if (report.healed > 0) print(`Healed: ${report.healed} chunks`);
  report.snapshots.forEach(printFindings);
  print(`Verified ${report.snapshots.length} snapshots, ${report.chunks} chunks, ${shownBytes(report.bytes)}`);
}

interface Target {
  readonly store: string;
  readonly group: string;
  readonly time: number | null;
}

async function targetOf(text: string, named: string | undefined): Promise<Target> {
  try {
    const { store, tree } = await chooseSnapshot(text, named);
    if (typeof tree.which === 'number') return { store, group: groupPath(tree.group), time: tree.which };
    const datastore = await openDatastoreReader(store);
    try {
      return { store, group: groupPath(tree.group), time: requireSnapshot(datastore.catalog, tree).snapshot.time };
    } finally {
      datastore.close();
    }
  } catch (error) {
    if (kindOf(error) !== 'invalid') throw error;
    return wholeGroup(text, named, error);
  }
}

/** @throws what the text is as a snapshot, where it is no group either */
async function wholeGroup(text: string, named: string | undefined, reason: unknown): Promise<Target> {
  try {
    const mountedGroup = (path: string): string | null => announcementOf(path)?.group ?? null;
    const { store, group } = await chooseGroup(text, named, surroundings, mountedGroup);
    return { store: await existingStore(store), group: groupPath(group), time: null };
  } catch (error) {
    throw kindOf(error) === 'invalid' ? reason : error;
  }
}
