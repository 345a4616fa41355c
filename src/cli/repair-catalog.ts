import { CairnError } from '../core/errors.js';
import { formatSnapshotTime } from '../core/snapshot-time.js';
import { createLogger } from '../daemon/logger.js';
import { planRebuild, type RebuildPlan } from '../daemon/rebuild/plan-rebuild.js';
import { type RebuildReport, rebuildCatalog } from '../daemon/rebuild/rebuild-catalog.js';
import { confirm } from './confirm.js';
import { EXIT_PROBLEMS } from './exit-codes.js';
import { interruptible } from './interruption.js';
import { print, printJson } from './output.js';
import { withProgress } from './progress-display.js';

/** Options of `cairn repair --rebuild-catalog`. */
export interface RepairCatalogOptions {
  /** False: copies of the catalog are left alone. */
  readonly copies: boolean;
  readonly force?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** Names that are listed; `--json` has more. */
const SHOWN = 50;

/**
 * Shows what the catalog can be rebuilt from, asks, and rebuilds it.
 * @param store real path of the datastore, which must not be mounted
 */
export async function repairCatalog(store: string, options: RepairCatalogOptions): Promise<void> {
  const plan = await planRebuild(store, options.copies);
  if (options.json !== true) showPlan(plan);
  if (options.dryRun === true) {
    if (options.json) printJson(plan);
    return;
  }
  if (plan.condition.kind === 'whole' && options.force !== true) {
    throw new CairnError('exists', `The catalog of ${store} is whole: rebuild it all the same with --force`);
  }
  if (options.yes !== true) await confirm('Rebuild the catalog? What is there is kept beside it.');
  const rebuild = { useCopies: options.copies, evenIfWhole: options.force === true };
  const log = createLogger('fatal');
  const report = await interruptible((signal) =>
    withProgress((progress) => rebuildCatalog(store, rebuild, { signal, progress }, log)),
  );
  if (options.json) printJson(report);
  else showReport(report);
  if (isIncomplete(report)) process.exitCode = EXIT_PROBLEMS;
}

function showPlan({ condition, interrupted, copies, groups }: RebuildPlan): void {
  if (interrupted) print('An earlier rebuilding was interrupted: it is begun anew');
  else if (condition.kind === 'damaged') print(`The catalog is damaged: ${condition.reasons[0] ?? ''}`);
  else print(condition.kind === 'whole' ? 'The catalog is whole' : 'The catalog is missing');
  for (const { name, reason } of copies.unusable) print(`The copy ${name} cannot be used: ${reason}`);
  const { chosen } = copies;
  if (chosen !== undefined) {
    const made = formatSnapshotTime(chosen.copy.madeAt);
    const then = chosen.journalFits
      ? 'and the journal, which has all changes since'
      : 'the journal does not go back so far: changes since are lost, unless a newer snapshot has them';
    print(`Live trees: as in the copy of ${made}, ${then}`);
  } else print('Live trees: each as in the newest snapshot of its group; what was written since is lost');
  for (const { group, snapshots, newest } of groups) {
    print(`  ${group}: ${snapshots} snapshots${newest === null ? '' : `, the newest of ${newest}`}`);
  }
}

function showReport(report: RebuildReport): void {
  const { aside, chunks, copy, groups, indexes, journal, lost, snapshots } = report;
  for (const { group, current, snapshot, passedOver } of groups) {
    const from = { copy: 'as in the copy', snapshot: `as in the snapshot of ${snapshot}`, empty: 'empty' }[current];
    print(`  ${group}/current: ${from}`);
    for (const other of passedOver) print(`    not ${other.snapshot}: ${other.reason}`);
  }
  if (copy !== null) print(`The journal brought back ${journal.applied} changes after the copy`);
  if (journal.lost > 0) {
    print(`${journal.lost} changes in the journal could not be made; they concerned:`);
    printNames(journal.lostPaths, 0);
  }
  for (const { path, reason } of indexes.unreadable) print(`Not readable: ${path}: ${reason}`);
  const back = chunks.broughtBack === 0 ? '' : ` (${chunks.broughtBack} brought back from quarantine)`;
  print(`Found ${snapshots} snapshots, ${indexes.files} index files, ${chunks.present} chunks in use${back}`);
  if (chunks.missing > 0) print(`${chunks.missing} chunks are missing`);
  if (lost.paths.length > 0) {
    print('These files cannot be read as a whole; write them again (rsync -aI) or see "cairn repair":');
    printNames(lost.paths, lost.more);
  }
  const kept = [aside.catalog, aside.journal].flatMap((name) => (name === null ? [] : [`.cairn/${name}`]));
  print(`Kept, to be removed when nobody needs it: ${kept.join(' ')}`);
}

function printNames(names: readonly string[], unlisted: number): void {
  for (const name of names.slice(0, SHOWN)) print(`    ${name}`);
  const more = Math.max(0, names.length - SHOWN) + unlisted;
  if (more > 0) print(`    and ${more} more`);
}

function isIncomplete({ chunks, groups, indexes, journal, lost }: RebuildReport): boolean {
  const counts = [chunks.missing, indexes.unreadable.length, journal.lost, lost.paths.length];
  return counts.some((count) => count > 0) || groups.some(({ passedOver }) => passedOver.length > 0);
}
