import type { Command } from 'commander';
import type { Problem, Status } from '../control/commands.js';
import { formatSnapshotTime } from '../core/snapshot-time.js';
import { cairnMounts } from '../daemon/mounts.js';
import { askIfMounted, existingStore, optionsOf } from './context.js';
import { EXIT_PROBLEMS } from './exit-codes.js';
import { print, printJson, shownBytes, shownSeconds } from './output.js';

/** What `status` tells of a datastore nobody has mounted. */
interface UnmountedStatus {
  readonly store: string;
  readonly pid: null;
  readonly mountpoint: null;
  readonly dirtyBytes: 0;
  readonly oldestUnsyncedSeconds: null;
  readonly problems: Problem[];
}

/** `cairn status` */
export function addStatus(program: Command): void {
  program
    .command('status')
    .description('show what a datastore is doing; exits with 6 where there are problems')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ cairn status
  $ cairn status --json --store /srv/backup`,
    )
    .action(run);
}

async function run(_: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ json?: boolean }>(command);
  const store = await existingStore(options.store);
  const status = (await askIfMounted(store, 'status', {})) ?? (await unmountedStatus(store));
  if (options.json) printJson(status);
  else show(status);
  if (status.problems.length > 0) process.exitCode = EXIT_PROBLEMS;
}

async function unmountedStatus(store: string): Promise<UnmountedStatus> {
  const stale = (await cairnMounts()).filter((mount) => mount.store === store);
  const problems = stale.map(({ mountpoint }) => ({
    kind: 'stale-mount',
    message: `The daemon that served ${mountpoint} is gone: "cairn mount" or "cairn umount" cleans up`,
  }));
  return { store, pid: null, mountpoint: null, dirtyBytes: 0, oldestUnsyncedSeconds: null, problems };
}

function show(status: Status | UnmountedStatus): void {
  print(`Datastore   ${status.store}`);
  if (status.pid === null) print('Mounted     no');
  else showMounted(status);
  for (const problem of status.problems) print(`Problem     ${problem.message}`);
  if (status.problems.length === 0) print('Problems    none');
}

function showMounted(status: Status): void {
  const what = [status.group, status.readOnly ? 'read-only' : null].filter((part) => part !== null);
  print(`Mounted     on ${status.mountpoint}${what.length > 0 ? ` (${what.join(', ')})` : ''}`);
  print(
    `Daemon      process ${status.pid}, cairn ${status.version}, up ${shownSeconds(Date.now() / 1000 - status.startedAt)}`,
  );
  if (status.metricsAddress !== null) print(`Metrics     ${status.metricsAddress}`);
  print(`Memory      ${shownBytes(status.memoryBytes)}`);
  const age = status.oldestUnsyncedSeconds;
  const oldest = age === null ? '' : `, the oldest written ${shownSeconds(age)} ago`;
  print(`Not durable ${shownBytes(status.dirtyBytes)}${oldest}`);
  const requests = Object.values(status.requests).reduce((sum, count) => sum + count, 0);
  print(`Requests    ${requests} of the kernel`);
  const verified = status.oldestVerifiedAt;
  print(`Verified    ${verified === 0 ? 'not all chunks yet' : `every chunk since ${formatSnapshotTime(verified)}`}`);
  for (const { job, group, nextRunAt, running, last } of status.schedule) {
    const next = nextRunAt === null ? '' : `, next in ${shownSeconds(Math.max(0, nextRunAt - Date.now() / 1000))}`;
    const ended =
      last === null ? 'not run yet' : `${last.outcome} ${shownSeconds(Date.now() / 1000 - last.endedAt)} ago`;
    print(`Job         ${job}${group === null ? '' : ` ${group}`}: ${running ? 'running' : ended}${next}`);
  }
  const { inserts, reuses, loads, plainBytes, encodedBytes } = status.chunks;
  print(
    `Chunks      ${inserts} written (${shownBytes(plainBytes)} as ${shownBytes(encodedBytes)}), ${reuses} reused, ${loads} read`,
  );
}
