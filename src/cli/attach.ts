import { realpath } from 'node:fs/promises';
import type { Command } from 'commander';
import { CairnError } from '../core/errors.js';
import { formatSnapshotTime } from '../core/snapshot-time.js';
import { type AttachReport, attachStore } from '../daemon/attach/attach-store.js';
import { createLogger } from '../daemon/logger.js';
import { optionsOf } from './context.js';
import { EXIT_PROBLEMS } from './exit-codes.js';
import { interruptible } from './interruption.js';
import { print, printJson, shownBytes } from './output.js';
import { withProgress } from './progress-display.js';
import { addServerOptions, frontOptionsOf, type S3Options, s3SettingsOfAddress } from './s3-options.js';

interface AttachCommandOptions extends S3Options {
  readonly machine?: string;
  readonly join?: boolean;
  readonly takeOver?: boolean;
  readonly json?: boolean;
}

/** Names that are listed; `--json` has more. */
const SHOWN = 50;

/** `cairn attach s3://BUCKET/NAME PATH` */
export function addAttach(program: Command): void {
  const attach = program
    .command('attach')
    .description(
      'bring a datastore back from its S3 bucket: all snapshots, and live trees as they were last copied there',
    )
    .argument('<address>', 's3://BUCKET/NAME')
    .argument('<path>', 'a new or empty folder, to be in front of it from now on');
  addServerOptions(attach)
    .option('--machine <id>', 'bring back the live trees of this machine (default: those copied last)')
    .option('--join', 'bring no live trees back: the machine they belong to is still there')
    .option('--take-over', 'although a machine has it mounted, or had until a quarter of an hour ago: it is no more')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
No chunk is fetched before it is read. Several machines may have it mounted, each with --join but the first, if the server honours
conditional puts. Credentials come from the environment, a profile or a file, as for init.

Examples:
  $ cairn attach s3://backups/srv /srv/backup --endpoint https://s3.example.org
  $ cairn attach s3://backups/srv /srv/backup --cache-bytes 100000000000
  $ cairn attach s3://backups/srv /srv/other --join`,
    )
    .action(run);
}

async function run(address: string, path: string, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<AttachCommandOptions>(command);
  if (options.join === true && options.machine !== undefined) {
    throw new CairnError('invalid', 'Name a machine whose live trees come back, or join, not both');
  }
  if (path === '') throw new CairnError('invalid', 'The path of the datastore is empty');
  const s3 = s3SettingsOfAddress(address, options);
  const machine = options.join === true ? 'none' : (options.machine ?? 'newest');
  // As for `init`.
  process.umask(0o022);
  const wanted = { s3, machine, takeOver: options.takeOver === true, front: frontOptionsOf(options) };
  const report = await interruptible((signal) =>
    withProgress((progress) => attachStore(path, wanted, { signal, progress }, createLogger('fatal'))),
  );
  if (options.json) printJson(report);
  else show(report, await realpath(path));
  const { rebuilt } = report;
  const incomplete = [rebuilt.chunks.missing, rebuilt.indexes.unreadable.length, rebuilt.lost.paths.length];
  if (incomplete.some((count) => count > 0)) process.exitCode = EXIT_PROBLEMS;
}

function show({ objects, chunks, bytes, point, unusable, leftOut, rebuilt }: AttachReport, path: string): void {
  print(`Attached ${path} to ${objects}: ${chunks} chunks (${shownBytes(bytes)}), ${rebuilt.snapshots} snapshots`);
  for (const { reason } of unusable) print(`A recovery point cannot be used: ${reason}`);
  if (point !== null)
    print(`Live trees of ${point.host} (machine ${point.machine}), copied ${formatSnapshotTime(point.madeAt)}`);
  for (const line of leftOut) print(line);
  for (const { group, current, snapshot, passedOver } of rebuilt.groups) {
    const from = { copy: 'as copied', snapshot: `as in the snapshot of ${snapshot}`, empty: 'empty' }[current];
    print(`  ${group}/current: ${from}`);
    for (const other of passedOver) print(`    not ${other.snapshot}: ${other.reason}`);
  }
  for (const { path: index, reason } of rebuilt.indexes.unreadable) print(`Not readable: ${index}: ${reason}`);
  if (rebuilt.chunks.missing > 0) print(`${rebuilt.chunks.missing} chunks are missing`);
  const { paths, more } = rebuilt.lost;
  if (paths.length === 0) return;
  print('These files cannot be read as a whole; write them again (rsync -aI) or see "cairn repair":');
  for (const name of paths.slice(0, SHOWN)) print(`    ${name}`);
  const unlisted = Math.max(0, paths.length - SHOWN) + more;
  if (unlisted > 0) print(`    and ${unlisted} more`);
}
