import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { CairnError } from '../core/errors.js';
import { formatTreeName } from '../core/tree-name.js';
import { openSnapshotView } from '../daemon/open-snapshot-view.js';
import type { ReadableDatastore } from '../datastore/open.js';
import { type FoundSnapshot, requireSnapshot } from '../snapshot/find-snapshot.js';
import { OVERWRITE_RULES, type OverwriteRule } from '../snapshot/restore/overwriting.js';
import type { PlannedChange } from '../snapshot/restore/plan-restore.js';
import type { LeftOut, RestoreFigures, RestoreProblem } from '../snapshot/restore/restore-outcome.js';
import { planRestore, type RestoreRequest, restoreTree } from '../snapshot/restore/restore-tree.js';
import { type GlobalOptions, optionsOf } from './context.js';
import { addExcludeOptions, type ExcludeOptions, patternsOf } from './exclude-options.js';
import { EXIT_FAILED } from './exit-codes.js';
import { interruptible } from './interruption.js';
import { complain, print, printJson, shownBytes } from './output.js';
import { withProgress } from './progress-display.js';
import { withReader } from './reading-store.js';
import { requireOutside } from './restore-target.js';
import { type ChosenTree, chooseTree } from './tree-choice.js';

interface RestoreOptions extends ExcludeOptions {
  readonly dryRun?: boolean;
  readonly overwrite: OverwriteRule;
  readonly devices?: boolean;
  readonly setId?: boolean;
  readonly checksum?: boolean;
  readonly intoCurrent?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** Problems, and paths left out, that are told one by one; more are only counted. */
const SHOWN_PROBLEMS = 20;

/** What is restored only as asked, and how to ask. */
const ASKED_FOR: Readonly<Record<LeftOut['what'], string>> = {
  device: 'a device node (--devices)',
  'set-id': 'set-uid or set-gid bits, or capabilities (--set-id)',
};

/** What is to be told of single paths. */
interface Told {
  /** Of a dry run that is asked for JSON. */
  readonly changes: PlannedChange[];
  readonly problems: RestoreProblem[];
  readonly leftOut: LeftOut[];
}

/** `cairn snapshot restore SNAPSHOT[:PATH] TARGET`, and the same as `cairn restore` */
export function addSnapshotRestore(parent: Command): void {
  const called = parent.parent === null ? 'restore' : 'snapshot restore';
  const restore = parent
    .command('restore')
    .description('restore a snapshot, or a path of it, to a folder')
    .argument('<snapshot>', 'what: host/web1/latest, host/web1/latest:etc/hosts, or a path inside a mount')
    .argument('<target>', 'the folder that is to be like the one restored; of a file its new path, or a folder for it');
  addExcludeOptions(restore)
    .option(
      '-n, --dry-run',
      'list what would be made (+), replaced (M) or kept though it differs (=), and change nothing',
    )
    .addOption(
      new Option('--overwrite <rule>', 'what to do with files in the target that differ')
        .choices(OVERWRITE_RULES)
        .default(OVERWRITE_RULES[0]),
    )
    .option('-c, --checksum', 'compare the content of files that are equal in size and time, instead of trusting that')
    .option('--into-current', 'the target is in a live tree: replace it by reference, no data is copied')
    .option('--yes', 'with --into-current --overwrite always: do not ask')
    .option('--devices', 'make device nodes, too (only root can)')
    .option('--set-id', 'set set-uid and set-gid bits and capabilities of files, too')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Owners, modes, times, extended attributes, ACLs, hard links and holes are restored; owners only by root. What gives
rights on this machine is restored only as asked, else named and left out: device nodes (--devices), and set-uid and
set-gid bits and capabilities of files (--set-id). Of a whole system you want both. Nothing is ever written outside the
target, whatever the snapshot holds. --into-current keeps everything: a live tree gives nobody rights.
By default nothing is restored where a file in the target differs. What is equal already (size and time; with
--checksum also content) stays, so a restore that was interrupted goes on where it ended. Nothing in the target is removed.
Patterns to exclude by are those of a .gitignore file in the folder that is restored. A dry run ends as the restore would, but for
what only trying shows: chunks that cannot be read, and rights that are lacking.

Examples:
  $ cairn ${called} host/web1/latest /srv/web1
  $ cairn ${called} host/web1/latest:etc/hosts /tmp
  $ cairn ${called} --devices --set-id host/web1/latest /mnt/new-root
  $ cairn ${called} --dry-run --overwrite older --exclude '*.tmp' host/web1/latest:home /home
  $ cairn ${called} --checksum --overwrite always host/web1/latest /srv/web1
  $ cairn ${called} --into-current host/web1/latest:etc host/web1/current:etc-before
  $ cairn ${called} --overwrite older /mnt/backup/host/web1/latest/home /home`,
    )
    .action(run);
}

async function run(what: string, target: string, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<RestoreOptions>(command);
  const chosen = await chooseTree(what, options.store);
  if (target === '') throw new CairnError('invalid', 'The target is empty: give the path of a folder');
  if (options.intoCurrent) return intoCurrent(chosen, target, options);
  const told: Told = { changes: [], problems: [], leftOut: [] };
  await withReader(chosen.store, async (datastore) => {
    const found = requireSnapshot(datastore.catalog, chosen.tree);
    // Modes are those of the snapshot, whatever the user's mask.
    const mask = process.umask(0);
    try {
      report(await restore(datastore, found, chosen.path, resolve(target), options, told), told, options);
    } finally {
      process.umask(mask);
    }
  });
}

/** What is there is replaced as a whole, at one moment, or not at all. */
async function intoCurrent(source: ChosenTree, target: string, options: RestoreOptions & GlobalOptions): Promise<void> {
  const { store, tree, path } = await chooseTree(target, options.store);
  if (store !== source.store) throw new CairnError('cross-device', `${target} is in another datastore`);
  if (tree.which !== 'current') throw new CairnError('invalid', `${target} is in a snapshot, which does not change`);
  const { overwrite: rule, yes, json } = options;
  if (options.dryRun || options.checksum || patternsOf(options).length > 0) {
    throw new CairnError('invalid', '--into-current goes without --dry-run, --checksum and --exclude');
  }
  if (rule === 'never' || rule === 'older') {
    throw new CairnError('invalid', `--into-current replaces as a whole: --overwrite ${rule} cannot be had`);
  }
  const { clone } = await import('./snapshot-clone.js');
  const asked = { replace: rule === 'always', ...(yes && { yes }), ...(json && { json }) };
  await clone(source, tree, path, asked, '--overwrite always');
}

async function restore(
  datastore: ReadableDatastore,
  found: FoundSnapshot,
  path: string,
  target: string,
  options: RestoreOptions,
  told: Told,
): Promise<RestoreFigures> {
  await requireOutside(datastore.paths.root, target);
  const view = await openSnapshotView(datastore, found);
  const name = { group: found.group.name, which: found.snapshot.time };
  return interruptible((signal) =>
    withProgress((update) => {
      const request: RestoreRequest = {
        ...{ view, chunks: datastore.chunks, path, target, signal },
        rule: options.overwrite,
        devices: options.devices === true,
        setIds: options.setId === true,
        checksum: options.checksum === true,
        excludes: patternsOf(options),
        onProgress: (done, total) => update({ step: 'restoring', done, total, unit: 'bytes' }),
        onProblem: (problem) => told.problems.push(problem),
        onLeftOut: (left) => told.leftOut.push(left),
        requireSnapshot: async () => {
          try {
            requireSnapshot(datastore.catalog, name);
          } catch (error) {
            const reason = `${formatTreeName(name)} was forgotten while it was restored`;
            throw new CairnError('stale', reason, { cause: error });
          }
        },
      };
      if (!options.dryRun) return restoreTree(request);
      return planRestore(request, options.json ? (change) => told.changes.push(change) : showChange);
    }),
  );
}

const SIGN = { made: '+', replaced: 'M', kept: '=' } as const;

function showChange({ change, path }: PlannedChange): void {
  print(`${SIGN[change]} ${path}`);
}

function report(figures: RestoreFigures, { changes, problems, leftOut }: Told, options: RestoreOptions): void {
  if (problems.length > 0) process.exitCode = EXIT_FAILED;
  if (options.json) {
    printJson({ ...figures, ...(options.dryRun && { changes }), problems, leftOut });
    return;
  }
  tell(problems.map(({ path, message }) => `${path}: ${message}`));
  tell(leftOut.map(({ path, what }) => `${path}: left out ${ASKED_FOR[what]}`));
  const { files, folders, others, links, bytes, unchanged, kept, excluded } = figures;
  const verb = options.dryRun ? 'Would restore' : 'Restored';
  print(`${verb} ${files} files (${shownBytes(bytes)}), ${folders} folders, ${others} others, ${links} further links`);
  if (unchanged + kept > 0) print(`${unchanged} were there already, ${kept} that differ were left as they were`);
  if (excluded > 0) print(`${excluded} excluded`);
  if (leftOut.length > 0) print(`${leftOut.length} left out: see --devices and --set-id`);
  if (problems.length > 0) print(`${problems.length} problems`);
}

function tell(lines: readonly string[]): void {
  for (const line of lines.slice(0, SHOWN_PROBLEMS)) complain(line);
  if (lines.length > SHOWN_PROBLEMS) complain(`… and ${lines.length - SHOWN_PROBLEMS} more`);
}
