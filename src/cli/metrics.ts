import type { Command } from 'commander';
import { askDaemon, existingStore, optionsOf } from './context.js';

/** `cairn metrics` */
export function addMetrics(program: Command): void {
  program
    .command('metrics')
    .description("print the figures of a mounted datastore in Prometheus' text format")
    .addHelpText(
      'after',
      `
Counters begin with the mount. "cairn mount --metrics PORT" shows the same over HTTP.

Examples:
  $ cairn metrics
  $ cairn metrics --store /srv/backup > /var/lib/prometheus/node-exporter/cairn.prom`,
    )
    .action(run);
}

async function run(_: unknown, command: Command): Promise<void> {
  const store = await existingStore(optionsOf(command).store);
  const { text } = await askDaemon(store, 'metrics', {});
  process.stdout.write(text);
}
