import type { Command } from 'commander';
import { formatRedundancy, parseRedundancy } from '../core/redundancy.js';
import { askBackends, showMended } from './backend-asking.js';
import { existingStore, optionsOf } from './context.js';
import { print, printJson } from './output.js';

/** `cairn redundancy [SCHEME]` */
export function addRedundancy(program: Command): void {
  program
    .command('redundancy')
    .description('show or change in how many pieces chunks are kept on the backends')
    .argument('[scheme]', 'single, mirror:N (N copies) or ec:K+M (any K of K+M pieces give a chunk back)')
    .option('--later', 'only for new chunks for now: "cairn repair" converts the others')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
A scheme takes as many backends as it has pieces. A write is done with K+1 pieces (a mirror: two copies).

Examples:
  $ cairn redundancy
  $ cairn redundancy mirror:2
  $ cairn redundancy ec:4+2`,
    )
    .action(run);
}

async function run(scheme: string | undefined, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ later?: boolean; json?: boolean }>(command);
  const store = await existingStore(options.store);
  if (scheme === undefined) {
    const { redundancy, overhead, tolerance, converting } = await askBackends(store, 'backend-list', {});
    if (options.json) printJson({ redundancy, overhead, tolerance, converting });
    else print(`${redundancy}${converting ? ', not brought about for all chunks yet: "cairn repair" does' : ''}`);
    return;
  }
  const redundancy = formatRedundancy(parseRedundancy(scheme));
  await askBackends(store, 'backend-change', { kind: 'redundancy', redundancy });
  if (options.later) return print(`New chunks are kept as ${redundancy}`);
  const report = await askBackends(store, 'backend-mend', { apply: true });
  if (options.json) return printJson(report);
  showMended(report, true);
  if (report.complete) print(`All chunks are kept as ${redundancy}`);
}
