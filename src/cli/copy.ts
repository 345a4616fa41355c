import type { Command } from 'commander';
import type { Copied, CopyArguments } from '../control/copy-commands.js';
import { CairnError } from '../core/errors.js';
import { commandLog } from './command-log.js';
import { askIfMounted, existingStore, optionsOf } from './context.js';
import { EXIT_PROBLEMS } from './exit-codes.js';
import { interruptible } from './interruption.js';
import { complain, print, printJson, printTable, shownBytes } from './output.js';
import { withProgress } from './progress-display.js';
import { addAccessOptions, refuseServerOptions, type S3Options, s3SettingsOfAddress } from './s3-options.js';

interface CopyOptions extends S3Options {
  readonly to?: string;
  readonly from?: string;
  readonly bandwidth?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** `cairn copy [NAME…] --to STORE`, and `--from STORE` */
export function addCopy(program: Command): void {
  const copying = program
    .command('copy')
    .description('copy snapshots and objects from one datastore to another: what is missing there, verified on the way')
    .argument(
      '[names...]',
      'groups or snapshots, such as host/web1 or host/web1/latest, objects as objects/ID; default: all',
    )
    .option('--to <store>', 'copy into this datastore, from the one that is meant otherwise')
    .option('--from <store>', 'copy from this datastore, or s3://BUCKET/NAME, into the one that is meant otherwise')
    .option('--bandwidth <MB/s>', 'read at most so many megabytes a second')
    .option('-n, --dry-run', 'say what would be copied and change nothing')
    .option('--json', 'print JSON');
  addAccessOptions(copying)
    .addHelpText(
      'after',
      `
Both may be mounted or not, and on disk or in front of a bucket. Snapshots keep their names, notes and protection, objects
(of programs that use the library) their ids and metadata; "snapshots" and "objects" stand for all of them. What is there is
passed over, nothing is ever replaced or forgotten: an object whose id has other content there is named and left out. Chunks
that are there are not read. Each other one is decoded and its digest compared; a snapshot or object with damage in it is
named and left out. The exit status is 6 where anything was left out. A copy that was broken off goes on where it was. The
daemon of a mounted target reads the source with its own rights, a bucket with its own credentials (or those of --profile or
--credentials-file). From s3:// a bucket is read without a folder in front of it, and nothing is written there.
To copy into a bucket attach it into a folder, and copy to that.

Examples:
  $ cairn copy --to /mnt/usb/backup
  $ cairn copy host/web1 vm/100/latest --store /srv/backup --to /srv/offsite --bandwidth 20
  $ cairn copy --from /srv/office --store /srv/backup --dry-run
  $ cairn copy host/web1 --from s3://backups/srv --endpoint https://s3.example.org --store /srv/new
  $ cairn copy snapshots objects/reports/2026.csv --to /srv/offsite`,
    )
    .action(run);
}

async function run(names: readonly string[], _: unknown, command: Command): Promise<void> {
  const options = optionsOf<CopyOptions>(command);
  const dryRun = options.dryRun === true;
  const wanted = { select: [...names], bytesPerSecond: rateOf(options), dryRun };
  const done = await (isAddress(options.from) ? copyFromBucket(options, wanted) : copyFromStore(options, wanted));
  if (done.objects.failed > 0 || done.snapshots.some(({ state }) => state === 'failed'))
    process.exitCode = EXIT_PROBLEMS;
  if (options.json) printJson(done);
  else show(done, dryRun);
}

type Wanted = Omit<CopyArguments, 'source'>;

async function copyFromStore(options: CopyOptions & { store?: string }, wanted: Wanted): Promise<Copied> {
  const { store, to, from } = options;
  if ((to === undefined) === (from === undefined)) throw whereTo();
  if (!isAddress(to)) refuseServerOptions(options, '--from s3://BUCKET/NAME');
  const [here, other] = [await existingStore(store), await existingStore(to ?? from)];
  const [source, target] = to === undefined ? [other, here] : [here, other];
  return interruptible((signal) => copy(target, { source, ...wanted }, signal));
}

async function copyFromBucket(options: CopyOptions & { store?: string }, wanted: Wanted): Promise<Copied> {
  if (options.to !== undefined) throw whereTo();
  const s3 = s3SettingsOfAddress(options.from ?? '', options);
  const target = await existingStore(options.store);
  const { openBucketSource } = await import('../daemon/attach/bucket-source.js');
  return interruptible(async (signal) => {
    const source = await withProgress((progress) => openBucketSource(s3, wanted.select, { signal, progress }));
    try {
      return await copy(target, { source: source.folder, ...wanted }, signal);
    } finally {
      await source.close();
    }
  });
}

function isAddress(store: string | undefined): boolean {
  return store !== undefined && /^s3:/i.test(store);
}

function whereTo(): CairnError {
  return new CairnError('invalid', 'Say where to copy: --to STORE, or --from STORE');
}

function rateOf({ bandwidth }: CopyOptions): number | null {
  if (bandwidth === undefined) return null;
  const megabytes = Number(bandwidth);
  if (megabytes > 0 && Number.isFinite(megabytes)) return megabytes * 1_000_000;
  throw new CairnError('invalid', `--bandwidth is a number of megabytes a second, not ${JSON.stringify(bandwidth)}`);
}

async function copy(target: string, args: CopyArguments, signal: AbortSignal): Promise<Copied> {
  const answer = await askIfMounted(target, 'copy', args, { signal });
  if (answer !== undefined) return answer;
  // All that a datastore is written with; a daemon that answers has it already.
  const { runUnmountedCopy } = await import('../daemon/unmounted-copy.js');
  return withProgress((progress) => runUnmountedCopy(target, args, { signal, progress }, commandLog));
}

function show({ snapshots, objects }: Copied, dryRun: boolean): void {
  for (const { group, time, state, reason } of snapshots) {
    if (state === 'failed') complain(`${group}/${time}: ${reason}`);
  }
  const done = snapshots.filter(({ state }) => state === 'copied' || state === 'wanted');
  const rows = done.map(({ group, time, chunks, bytes }) => [`${group}/${time}`, `${chunks}`, shownBytes(bytes)]);
  if (rows.length > 0) printTable(['SNAPSHOT', 'NEW CHUNKS', 'BYTES'], rows);
  const count = (wanted: Copied['snapshots'][number]['state']) =>
    snapshots.filter(({ state }) => state === wanted).length;
  const failed = count('failed') > 0 ? `, ${count('failed')} failed` : '';
  const verb = dryRun ? 'Would copy' : 'Copied';
  print(`${verb} ${done.length} snapshots, ${count('there')} were there${failed}`);
  showObjects(objects, verb);
}

function showObjects(
  { copied, there, wanted, failed, chunks, bytes, failures }: Copied['objects'],
  verb: string,
): void {
  for (const { name, reason } of failures) complain(`${name}: ${reason}`);
  const done = copied + wanted;
  if (done + there + failed === 0) return;
  const left = failed > 0 ? `, ${failed} failed` : '';
  print(`${verb} ${done} objects (${chunks} new chunks, ${shownBytes(bytes)}), ${there} were there${left}`);
}
