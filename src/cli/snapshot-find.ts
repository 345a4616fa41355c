import type { Command } from 'commander';
import { CairnError } from '../core/errors.js';
import { type GroupName, parseGroupPath } from '../core/group.js';
import { formatSnapshotTime } from '../core/snapshot-time.js';
import { openSnapshotView } from '../daemon/open-snapshot-view.js';
import type { ReadableDatastore } from '../datastore/open.js';
import { requireGroup } from '../snapshot/find-snapshot.js';
import { type DatedTree, type FoundPath, findVersions } from '../snapshot/find-versions.js';
import { existingStore, optionsOf } from './context.js';
import { EXIT_NOT_FOUND } from './exit-codes.js';
import { complain, print, printJson, printTable, shownBytes } from './output.js';
import { withProgress } from './progress-display.js';
import { withReader } from './reading-store.js';
import { chooseTree, isPath, plainPath } from './tree-choice.js';

interface FindOptions {
  readonly group?: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

/** `cairn snapshot find PATH` */
export function addSnapshotFind(snapshot: Command): void {
  snapshot
    .command('find')
    .description('show what became of a path from snapshot to snapshot')
    .argument('<path>', 'a path or pattern in the tree of --group, or a path inside a mount')
    .option('--group <group>', 'whose snapshots to look into, such as host/web1')
    .option('--all', 'also show the snapshots in which nothing changed')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
In patterns * ? and [...] stand for what they do in a shell, and ** for any number of folders.

Examples:
  $ cairn snapshot find --group host/web1 etc/hosts
  $ cairn snapshot find --group host/web1 'home/**/*.odt'
  $ cairn snapshot find /mnt/backup/host/web1/current/etc/hosts`,
    )
    .action(run);
}

async function run(given: string, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<FindOptions>(command);
  const { store, group, path } = await chosen(given, options.group, options.store);
  const found = await withReader(store, (datastore) => find(datastore, group, path));
  if (options.json) printJson(found.map(forMachines));
  else for (const one of found) show(one, options.all === true);
  if (found.length > 0) return;
  process.exitCode = EXIT_NOT_FOUND;
  if (!options.json) complain(`No snapshot has ${path}`);
}

async function chosen(
  given: string,
  group: string | undefined,
  store: string | undefined,
): Promise<{ store: string; group: GroupName; path: string }> {
  if (group !== undefined) {
    return { store: await existingStore(store), group: parseGroupPath(group), path: plainPath(given) };
  }
  if (!(await isPath(given))) {
    throw new CairnError('invalid', `Say whose snapshots to look into with --group, or give a path inside a mount`);
  }
  const { tree, ...choice } = await chooseTree(given, store);
  return { store: choice.store, group: tree.group, path: choice.path };
}

async function find(datastore: ReadableDatastore, name: GroupName, path: string): Promise<FoundPath[]> {
  const { catalog } = datastore;
  const group = requireGroup(catalog, name);
  const finished = catalog.snapshots
    .list(group.id)
    .filter(({ state }) => state === 'finished')
    .reverse();
  return withProgress((update) => {
    const trees: DatedTree[] = finished.map((snapshot, done) => ({
      time: snapshot.time,
      open: () => {
        update({ step: 'looking', done, total: finished.length, unit: 'items' });
        return openSnapshotView(datastore, { group, snapshot });
      },
    }));
    return findVersions(trees, path);
  });
}

function forMachines({ path, versions }: FoundPath): object {
  return { path, versions: versions.map(({ time, ...rest }) => ({ snapshot: formatSnapshotTime(time), ...rest })) };
}

function show({ path, versions }: FoundPath, all: boolean): void {
  print(path === '' ? '.' : path);
  const rows = versions
    .filter(({ change }) => all || change !== 'same')
    .map(({ time, change, kind, size, mtime }) => [
      `  ${formatSnapshotTime(time)}`,
      change,
      kind ?? '',
      size === undefined ? '' : shownBytes(size),
      mtime === undefined ? '' : new Date(mtime * 1000).toISOString(),
    ]);
  printTable(['  SNAPSHOT', '', 'KIND', 'SIZE', 'MODIFIED'], rows);
}
