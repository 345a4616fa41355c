import type { Command } from 'commander';
import type { Status } from '../control/commands.js';
import type { ScheduleEntry } from '../control/schedule-commands.js';
import type { SharedStatus, UploadStatus } from '../control/upload-commands.js';
import { formatSnapshotTime } from '../core/snapshot-time.js';
import { type UnmountedStatus, unmountedStatus } from '../daemon/unmounted-status.js';
import { askIfMounted, existingStore, optionsOf } from './context.js';
import { EXIT_PROBLEMS } from './exit-codes.js';
import { print, printJson, shownBytes, shownSeconds } from './output.js';

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

function show(status: Status | UnmountedStatus): void {
  print(`Datastore   ${status.store}`);
  if (status.pid === null) showUnmounted(status);
  else showMounted(status);
  for (const problem of status.problems) print(`Problem     ${problem.message}`);
  if (status.problems.length === 0) print('Problems    none');
}

function showUnmounted({ oldestVerifiedAt, neverVerified, schedule }: UnmountedStatus): void {
  print('Mounted     no');
  if (oldestVerifiedAt !== null) showCoverage(oldestVerifiedAt, neverVerified);
  schedule.forEach(showJob);
}

/** @param never how many never were, where that is known */
function showCoverage(oldestVerifiedAt: number, never = 0): void {
  const missing = never === 0 ? 'not all chunks yet' : `not all chunks yet, ${never} never`;
  print(
    `Verified    ${oldestVerifiedAt === 0 ? missing : `every chunk since ${formatSnapshotTime(oldestVerifiedAt)}`}`,
  );
}

function showJob({ job, group, nextRunAt, running, last }: ScheduleEntry): void {
  const next = nextRunAt === null ? '' : `, next in ${shownSeconds(Math.max(0, nextRunAt - Date.now() / 1000))}`;
  const ended = last === null ? 'not run yet' : `${last.outcome} ${shownSeconds(Date.now() / 1000 - last.endedAt)} ago`;
  print(`Job         ${job}${group === null ? '' : ` ${group}`}: ${running ? 'running' : ended}${next}`);
}

function showMounted(status: Status): void {
  const what = [status.group, status.readOnly ? 'read-only' : null].filter((part) => part !== null);
  print(`Mounted     on ${status.mountpoint}${what.length > 0 ? ` (${what.join(', ')})` : ''}`);
  print(
    `Daemon      process ${status.pid}, cairn ${status.version}, up ${shownSeconds(Date.now() / 1000 - status.startedAt)}`,
  );
  if (status.metricsAddress !== null) print(`Metrics     ${status.metricsAddress}`);
  if (status.lowLatency === 'on') print('Latency     CPUs poll before they halt');
  if (status.lowLatency === 'would-help') {
    print('Latency     waking halted CPUs takes longer than most requests: "cairn mount --low-latency" avoids it');
  }
  print(`Memory      ${shownBytes(status.memoryBytes)}`);
  const age = status.oldestUnsyncedSeconds;
  const oldest = age === null ? '' : `, the oldest written ${shownSeconds(age)} ago`;
  print(`Not durable ${shownBytes(status.dirtyBytes)}${oldest}`);
  const requests = Object.values(status.requests).reduce((sum, count) => sum + count, 0);
  print(`Requests    ${requests} of the kernel`);
  showCoverage(status.oldestVerifiedAt);
  const { count, newestAt } = status.catalogCopies;
  const newest = newestAt === null ? '' : `, the newest of ${formatSnapshotTime(newestAt)}`;
  print(`Catalog     ${count} copies${newest}`);
  status.schedule.forEach(showJob);
  if (status.uploads !== null) showUploads(status.uploads);
  const { inserts, reuses, loads, plainBytes, encodedBytes } = status.chunks;
  print(
    `Chunks      ${inserts} written (${shownBytes(plainBytes)} as ${shownBytes(encodedBytes)}), ${reuses} reused, ${loads} read`,
  );
}

function showUploads(uploads: UploadStatus): void {
  const { objects, chunks, bytes, running, completeAt, behindSince, queueBytes, whenFull, error, nextTryAt } = uploads;
  const now = Date.now() / 1000;
  const left = chunks === 0 ? 'no chunks' : `${chunks} chunks (${shownBytes(bytes)})`;
  const waiting = behindSince === null ? '' : `, waiting for ${shownSeconds(now - behindSince)}`;
  const last = completeAt === null ? '' : `, complete ${shownSeconds(now - completeAt)} ago`;
  print(`Uploads     ${left} to go to ${objects}${running ? ', uploading' : ''}${waiting}${last}`);
  if (queueBytes !== null && bytes >= queueBytes) {
    print(`Queue       full (${shownBytes(queueBytes)}): writers ${whenFull === 'wait' ? 'wait' : 'get ENOSPC'}`);
  }
  if (error !== null)
    print(`Server      failing; tried again in ${shownSeconds(Math.max(0, (nextTryAt ?? now) - now))}`);
  if (uploads.shared !== null) showShared(uploads.shared);
  const { recoveryPointAt } = uploads;
  const point = recoveryPointAt === null ? 'none of this mount yet' : `as of ${formatSnapshotTime(recoveryPointAt)}`;
  print(`Live trees  in the object store: ${point}`);
}

function showShared({ machine, epoch, ready, peers, others }: SharedStatus): void {
  const stay = epoch === null ? 'not joined yet' : `epoch ${epoch}${ready ? '' : ', looking what is in the bucket'}`;
  print(`Machine     ${machine} (${stay})`);
  for (const { machine: id, host, since, seenAt, state } of peers) {
    const seen = seenAt === null ? '' : `, seen ${shownSeconds(Math.max(0, Date.now() / 1000 - seenAt))} ago`;
    print(`Other       ${host} (machine ${id}) since ${since}${state === 'silent' ? ', silent' : seen}`);
  }
  for (const { group, writer } of others) print(`Read-only   ${group}: written by ${writer}`);
}
