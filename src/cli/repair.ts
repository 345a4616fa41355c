import type { Command } from 'commander';
import type { CareCommandResult } from '../control/care-commands.js';
import { CairnError } from '../core/errors.js';
import { realFolderPath } from '../daemon/mounts.js';
import { readConfig } from '../datastore/config.js';
import { datastorePaths } from '../datastore/paths.js';
import { askBackends, showMended } from './backend-asking.js';
import { askCare, printDamaged } from './care-asking.js';
import { existingStore, optionsOf, surroundings } from './context.js';
import { EXIT_PROBLEMS } from './exit-codes.js';
import { print, printJson } from './output.js';
import { type RepairCatalogOptions, repairCatalog } from './repair-catalog.js';
import { mountOf } from './store-choice.js';

interface RepairCliOptions extends RepairCatalogOptions {
  readonly from?: string;
  readonly rebuildCatalog?: boolean;
}

/** `cairn repair` */
export function addRepair(program: Command): void {
  program
    .command('repair')
    .description('name what damaged chunks concern, and store them anew from files that still have their content')
    .option('--from <folder>', 'a folder laid out as current/ is, such as the one that is backed up')
    .option('--rebuild-catalog', 'make the catalog anew where it is lost or damaged; the datastore must not be mounted')
    .option('--no-copies', 'with --rebuild-catalog: from the datastore alone, not from a copy of the catalog')
    .option('--force', 'with --rebuild-catalog: though it is whole')
    .option('--yes', 'with --rebuild-catalog: do not ask')
    .option('--dry-run', 'only tell what would be done')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
With several backends their pieces are made good first. Else nothing is changed without --from: the plan is shown. Only the files named are read, and only bytes with the digest of a
damaged chunk are stored, so a source that has changed does no harm. Exits with 6 where chunks stay damaged.

--rebuild-catalog begins with the newest copy of the catalog that is whole and the journal behind it (a copy is made each
hour and when the datastore is unmounted), and takes all about snapshots from the datastore. A live tree that is in no copy
becomes like the newest snapshot of its group. The old catalog and journal are kept. Exits with 6 where something is lost.

Examples:
  $ cairn repair
  $ cairn repair --from /home --dry-run
  $ cairn repair --from /home
  $ cairn repair --rebuild-catalog --store /srv/backup`,
    )
    .action(run);
}

async function run(_: unknown, command: Command): Promise<void> {
  const options = optionsOf<RepairCliOptions>(command);
  const store = await existingStore(options.store);
  if (options.rebuildCatalog === true) return repairCatalog(store, options);
  requireNoRebuildOptions(options);
  const from = options.from === undefined ? null : await sourceFolder(options.from, store);
  const apply = from !== null && options.dryRun !== true;
  const isSpread = readConfig(datastorePaths(store)).backends !== undefined;
  const mending = { apply: options.dryRun !== true };
  const mended = isSpread ? await askBackends(store, 'backend-mend', mending) : undefined;
  const report = await askCare(store, 'repair', { from, apply });
  if (options.json) printJson({ ...report, ...(mended && { backends: mended }) });
  else {
    if (mended !== undefined) showMended(mended, mending.apply);
    show(report, from, apply);
  }
  const isLeft = report.chunks.some(({ outcome }) => outcome === 'not-healed') || report.snapshots.length > 0;
  if (isLeft) process.exitCode = EXIT_PROBLEMS;
}

/** @throws {CairnError} `invalid` */
function requireNoRebuildOptions({ copies, force, yes }: RepairCliOptions): void {
  const given = [copies ? '' : '--no-copies', force ? '--force' : '', yes ? '--yes' : ''].filter((text) => text !== '');
  if (given.length > 0) throw new CairnError('invalid', `${given.join(', ')} goes with --rebuild-catalog`);
}

function show({ chunks, snapshots }: CareCommandResult<'repair'>, from: string | null, apply: boolean): void {
  for (const chunk of chunks) {
    printDamaged(chunk);
    if (chunk.outcome === 'not-healed') print(`  not healed: ${chunk.reason}`);
    else print(chunk.outcome === 'healed' ? '  healed' : '  can be healed');
  }
  const healed = chunks.filter(({ outcome }) => outcome !== 'not-healed').length;
  if (chunks.length === 0) print('No chunk is known to be damaged');
  else print(`${healed} of ${chunks.length} damaged chunks ${apply ? 'healed' : 'can be healed'}`);
  if (chunks.length > 0 && from === null) {
    print('Heal them with "cairn repair --from FOLDER", or by writing the files again (rsync -aI)');
  }
  snapshots.forEach(showSnapshot);
  if (snapshots.some(({ problems }) => problems.length > 0)) {
    print(
      'Files of a snapshot cannot be made anew: put them back from a copy of the datastore, or forget the snapshot',
    );
  }
}

function showSnapshot({ group, time, problems }: CareCommandResult<'repair'>['snapshots'][number]): void {
  const name = `${group}/${time}`;
  print(
    problems.length === 0
      ? `${name} has what it lacked: run "cairn verify ${name}"`
      : `${name}: ${problems.join('; ')}`,
  );
}

/** @throws {CairnError} `not-found`; `invalid` for a folder of the datastore's own mount, which has the same damage */
async function sourceFolder(given: string, store: string): Promise<string> {
  if (given === '') throw new CairnError('invalid', 'The folder given to --from is empty');
  const folder = await realFolderPath(given);
  if (mountOf(folder, await surroundings.mounts())?.store === store) {
    throw new CairnError('invalid', `${folder} is in a mount of the datastore that is to be repaired`);
  }
  return folder;
}
