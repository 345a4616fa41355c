import type { Command } from 'commander';
import type { SnapshotListed } from '../control/snapshot-commands.js';
import { groupPath } from '../core/group.js';
import { openDatastoreReader } from '../datastore/open.js';
import { listWithMarks } from '../snapshot/list.js';
import { announcementOf, askIfMounted, existingStore, optionsOf, surroundings } from './context.js';
import { print, printJson, printTable, shownBytes } from './output.js';
import { chooseGroup } from './store-choice.js';

/** `cairn snapshot list [GROUP]` */
export function addSnapshotList(snapshot: Command): void {
  snapshot
    .command('list')
    .description('list the snapshots of a group, or of all')
    .argument('[group]', 'the group, such as host/web1, or its path inside a mount')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ cairn snapshot list
  $ cairn snapshot list --json host/web1`,
    )
    .action(run);
}

async function run(given: string | undefined, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ json?: boolean }>(command);
  const { store, group } = await choose(given, options.store);
  const answer = await askIfMounted(store, 'snapshot-list', { group });
  const snapshots = answer?.snapshots ?? (await listUnmounted(store, group));
  if (options.json) printJson(snapshots);
  else show(snapshots);
}

/** Nobody serves the store: what was committed is read from it directly. */
async function listUnmounted(store: string, group: string | null): Promise<readonly SnapshotListed[]> {
  const datastore = await openDatastoreReader(store);
  try {
    return await listWithMarks(datastore.catalog, datastore.paths.root, group);
  } finally {
    datastore.close();
  }
}

async function choose(
  given: string | undefined,
  store: string | undefined,
): Promise<{ store: string; group: string | null }> {
  if (given === undefined) return { store: await existingStore(store), group: null };
  const mountedGroup = (path: string): string | null => announcementOf(path)?.group ?? null;
  const choice = await chooseGroup(given, store, surroundings, mountedGroup);
  return { store: await existingStore(choice.store), group: groupPath(choice.group) };
}

function show(snapshots: readonly SnapshotListed[]): void {
  if (snapshots.length === 0) {
    print('No snapshots');
    return;
  }
  const rows = snapshots.map(({ group, time, sizeBytes, protected: kept }) => [
    group,
    time,
    sizeBytes === null ? '?' : shownBytes(sizeBytes),
    kept ? 'protected' : '',
  ]);
  printTable(['GROUP', 'TIME', 'SIZE', ''], rows);
}
