import type { Command } from 'commander';
import { groupPath, parseGroupPath } from '../core/group.js';
import { formatRedundancy, parseRedundancy } from '../core/redundancy.js';
import { askBackends, showMended } from './backend-asking.js';
import { existingStore, optionsOf } from './context.js';
import { print, printJson } from './output.js';

interface Options {
  readonly group?: string;
  readonly later?: boolean;
  readonly json?: boolean;
}

/** `cairn redundancy [SCHEME]` */
export function addRedundancy(program: Command): void {
  program
    .command('redundancy')
    .description('show or change in how many pieces chunks are kept on the backends')
    .argument('[scheme]', 'single, mirror:N (N copies) or ec:K+M (any K of K+M pieces give a chunk back)')
    .option('--group <group>', 'of this group only: more than the datastore has; "default" takes it back')
    .option('--later', 'only for new chunks for now: "cairn repair" converts the others')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
A scheme takes as many backends as it has pieces. A write is done with K+1 pieces (a mirror: two copies).

With --group the chunks in the snapshots of a group are kept in the form that bears more losses; a chunk that
several groups have, in the best of theirs. New chunks get it when their snapshot has been made.

Examples:
  $ cairn redundancy
  $ cairn redundancy mirror:2
  $ cairn redundancy ec:4+2
  $ cairn redundancy mirror:3 --group host/web1
  $ cairn redundancy default --group host/web1`,
    )
    .action(run);
}

async function run(scheme: string | undefined, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<Options>(command);
  const store = await existingStore(options.store);
  if (scheme === undefined) return show(store, options);
  if (options.group !== undefined) return changeGroup(store, scheme, options.group, options);
  const redundancy = formatRedundancy(parseRedundancy(scheme));
  await askBackends(store, 'backend-change', { kind: 'redundancy', redundancy });
  if (options.later) return print(`New chunks are kept as ${redundancy}`);
  const report = await askBackends(store, 'backend-mend', { apply: true });
  if (options.json) return printJson(report);
  showMended(report, true);
  if (report.complete) print(`All chunks are kept as ${redundancy}`);
}

async function show(store: string, { json, group }: Options): Promise<void> {
  const { redundancy, overhead, tolerance, groupRedundancy, converting } = await askBackends(store, 'backend-list', {});
  if (json) return printJson({ redundancy, overhead, tolerance, groupRedundancy, converting });
  if (group !== undefined) return print(groupRedundancy[group] ?? redundancy);
  print(`${redundancy}${converting ? ', not brought about for all chunks yet: "cairn repair" does' : ''}`);
  for (const [path, own] of Object.entries(groupRedundancy)) print(`${path}: ${own}`);
}

async function changeGroup(store: string, scheme: string, group: string, { later, json }: Options): Promise<void> {
  const redundancy = scheme === 'default' ? null : formatRedundancy(parseRedundancy(scheme));
  const { groupRedundancy } = await askBackends(store, 'backend-list', {});
  await askBackends(store, 'backend-change', { kind: 'group-redundancy', group, redundancy });
  if (later) return print(`New snapshots of ${group} are kept as ${redundancy ?? 'the others'}`);
  // What the group had before may have to go from chunks that it has no more, too.
  const hadNone = groupRedundancy[groupPath(parseGroupPath(group))] === undefined;
  const report = await askBackends(store, 'backend-mend', { apply: true, ...(hadNone && { group }) });
  if (json) return printJson(report);
  showMended(report, true);
  if (report.complete) print(`The snapshots of ${group} are kept as ${redundancy ?? 'the others'}`);
}
