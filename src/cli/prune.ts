import type { Command } from 'commander';
import type { PruneArguments, Pruned } from '../control/prune-commands.js';
import { CairnError } from '../core/errors.js';
import { groupPath, parseGroupPath } from '../core/group.js';
import { prune } from '../daemon/prune-service.js';
import { withUnmounted } from '../daemon/unmounted-store.js';
import { commandLog } from './command-log.js';
import { announcementOf, askIfMounted, existingStore, optionsOf, surroundings } from './context.js';
import { interruptible } from './interruption.js';
import { addKeepOptions, type KeepOptions, keepCountsOf } from './keep-options.js';
import { print, printJson, printTable, shownBytes } from './output.js';
import { withProgress } from './progress-display.js';
import { chooseGroup } from './store-choice.js';

/** `cairn prune [GROUP…]` */
export function addPrune(program: Command): void {
  addKeepOptions(
    program
      .command('prune')
      .description('forget old snapshots by rules; garbage collection then frees what nothing else needs')
      .argument('[groups...]', 'groups, such as host/web1; default: all that have a policy'),
  )
    .option('--dry-run', 'only tell what would be removed, why, and how much that would free')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Without --keep-… each group's policy is applied ("cairn policy set"). The rules are those of Proxmox Backup Server: in the
order above, each counts only periods that none before it covers, and keeps the newest snapshot of a period. Protected
snapshots stay and are not counted. Of unfinished ones only the newest of a group stays.

Examples:
  $ cairn prune --dry-run --keep-last 3 --keep-daily 7 --keep-monthly 12 host/web1
  $ cairn prune`,
    )
    .action(run);
}

async function run(given: readonly string[], _: unknown, command: Command): Promise<void> {
  const options = optionsOf<KeepOptions & { dryRun?: boolean; json?: boolean }>(command);
  const keep = keepCountsOf(options) ?? null;
  if (given.length === 0 && keep !== null) {
    throw new CairnError('invalid', 'Say which groups: --keep-… is for those named; without it policies are applied');
  }
  const { store, groups } = await choose(given, options.store);
  const args: PruneArguments = { groups, keep, dryRun: options.dryRun === true };
  const pruned = (await askIfMounted(store, 'prune', args)) ?? (await pruneUnmounted(store, args));
  if (options.json) printJson({ dryRun: args.dryRun, ...pruned });
  else show(pruned, args.dryRun);
}

async function choose(
  given: readonly string[],
  store: string | undefined,
): Promise<{ store: string; groups: string[] | null }> {
  if (given.length === 0) return { store: await existingStore(store), groups: null };
  const stores = new Set<string>();
  const groups = new Set<string>();
  for (const text of given) {
    const choice = await chooseGroup(text, store, surroundings, (path) => announcementOf(path)?.group ?? null);
    stores.add(choice.store);
    groups.add(groupPath(choice.group));
  }
  const [only, ...others] = stores;
  if (only === undefined || others.length > 0) throw new CairnError('invalid', 'The groups are of several datastores');
  return { store: await existingStore(only), groups: [...groups] };
}

function pruneUnmounted(store: string, args: PruneArguments): Promise<Pruned> {
  return interruptible((signal) =>
    withProgress((progress) => {
      const parts = { store, progress, signal };
      if (args.dryRun) return prune({ ...parts, remove: () => Promise.resolve() }, args);
      return withUnmounted(store, commandLog, ({ snapshots }) =>
        prune(
          {
            ...parts,
            remove: ({ group, time, finished }) => snapshots.removePruned(parseGroupPath(group), time, finished),
          },
          args,
        ),
      );
    }),
  );
}

function show({ groups, freedBytes, removed }: Pruned, dryRun: boolean): void {
  if (groups.length === 0) {
    print('No group has a policy: set one with "cairn policy set"');
    return;
  }
  for (const { group, snapshots } of groups) {
    print(group);
    if (snapshots.length === 0) print('  no snapshots');
    else printTable(['  SNAPSHOT', '', 'WHY', 'ITS OWN'], snapshots.map(rowOf));
  }
  const doomed = groups.flatMap(({ snapshots }) => snapshots).filter(({ keep }) => !keep).length;
  const amount = shownBytes(freedBytes);
  if (dryRun) print(`Would remove ${doomed} snapshots; garbage collection would then free ${amount}`);
  else print(`Removed ${removed} snapshots; garbage collection can now free ${amount}`);
}

function rowOf({ time, keep, reason, exclusiveBytes }: Pruned['groups'][number]['snapshots'][number]): string[] {
  return [`  ${time}`, keep ? 'keep' : 'remove', reason, shownBytes(exclusiveBytes)];
}
