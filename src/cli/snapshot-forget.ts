import type { Command } from 'commander';
import { formatTreeName } from '../core/tree-name.js';
import { openDatastoreReader } from '../datastore/open.js';
import { freedBy } from '../snapshot/describe.js';
import { requireForgettable } from '../snapshot/forget.js';
import { optionsOf } from './context.js';
import { print, printJson, shownBytes } from './output.js';
import { askSnapshots } from './snapshot-asking.js';
import { type ChosenTree, chooseSnapshot } from './tree-choice.js';

/** `cairn snapshot forget SNAPSHOT…` */
export function addSnapshotForget(snapshot: Command): void {
  snapshot
    .command('forget')
    .description('forget snapshots; garbage collection then frees what nothing else needs')
    .argument('<snapshots...>', 'snapshots, such as host/web1/2026-11-20T10:00:00Z, or their paths inside a mount')
    .option('--dry-run', 'only tell what would be forgotten, and how much that would free')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Where one of them is protected or does not exist none is forgotten. "rmdir" of a snapshot's folder in a mount does the same.

Examples:
  $ cairn snapshot forget host/web1/2026-11-20T10:00:00Z
  $ cairn snapshot forget --dry-run /mnt/backup/host/web1/2025-*`,
    )
    .action(run);
}

async function run(given: readonly string[], _: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ dryRun?: boolean; json?: boolean }>(command);
  const chosen: ChosenTree[] = [];
  for (const text of given) chosen.push(await chooseSnapshot(text, options.store));
  const plan = await planned(chosen);
  if (options.dryRun !== true) {
    for (const { store, snapshot } of plan.snapshots) await askSnapshots(store, 'snapshot-forget', { snapshot });
  }
  if (options.json) {
    printJson({
      forgotten: plan.snapshots.map(({ snapshot }) => snapshot),
      freedBytes: plan.freedBytes,
      dryRun: options.dryRun === true,
    });
    return;
  }
  for (const { snapshot } of plan.snapshots) print(`${options.dryRun ? 'Would forget' : 'Forgot'} ${snapshot}`);
  const freed = plan.freedBytes === null ? 'an unknown amount' : shownBytes(plan.freedBytes);
  print(`Garbage collection ${options.dryRun ? 'would then free' : 'can now free'} ${freed}`);
}

interface Plan {
  readonly snapshots: readonly { readonly store: string; readonly snapshot: string }[];
  /** Null where the sets of their chunks are not recorded. */
  readonly freedBytes: number | null;
}

/** Looks each of them up, so that nothing is forgotten where one cannot be. */
async function planned(chosen: readonly ChosenTree[]): Promise<Plan> {
  const snapshots = new Map<string, { store: string; snapshot: string }>();
  let freedBytes: number | null = 0;
  for (const store of new Set(chosen.map((choice) => choice.store))) {
    const datastore = await openDatastoreReader(store);
    try {
      const names = chosen.filter((choice) => choice.store === store).map(({ tree }) => tree);
      const found = await Promise.all(names.map((name) => requireForgettable(datastore.catalog, store, name)));
      for (const { group, snapshot } of found) {
        const name = formatTreeName({ group: group.name, which: snapshot.time });
        snapshots.set(`${store}\0${name}`, { store, snapshot: name });
      }
      const freed = freedBy(datastore.catalog, found)?.storedBytes;
      freedBytes = freed === undefined || freedBytes === null ? null : freedBytes + freed;
    } finally {
      datastore.close();
    }
  }
  return { snapshots: [...snapshots.values()], freedBytes };
}
