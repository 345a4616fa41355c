import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { outputOf } from '../support/commands.js';
import { withStore } from '../support/mounted-store.js';

// fio writes blocks that carry their own checksums, two processes at a time, and reads them back.

/** Options of both runs; `randseed` and the fixed sizes let the second one know what the first has written. */
const COMMON = [
  '--verify=crc32c',
  '--verify_fatal=1',
  '--exitall_on_error=1',
  '--verify_state_save=0',
  '--randseed=20261121',
  '--group_reporting=1',
  '--output-format=json',
];

const JOBS = [
  ['--name=in-sequence', '--rw=write', '--bs=256k', '--size=48m', '--numjobs=2', '--end_fsync=1'],
  [
    '--name=at-random',
    '--stonewall',
    '--new_group',
    '--rw=randwrite',
    '--bs=4k',
    '--size=6m',
    '--numjobs=2',
    '--fsync=1000',
  ],
  [
    '--name=direct',
    '--stonewall',
    '--new_group',
    '--rw=randwrite',
    '--bs=64k',
    '--size=16m',
    '--numjobs=2',
    '--direct=1',
  ],
];

interface Report {
  readonly jobs: readonly {
    readonly jobname: string;
    readonly error: number;
    readonly read: { readonly io_bytes: number };
  }[];
}

/** Runs all jobs in a folder and checks that each has read back, and so compared, all of its bytes. */
function runJobs(folder: string, ...more: string[]): void {
  const report = JSON.parse(outputOf('fio', [`--directory=${folder}`, ...COMMON, ...more, ...JOBS.flat()])) as Report;
  const read = report.jobs.map(({ jobname, error, read }) => [jobname, error, read.io_bytes >> 20]);
  assert.deepEqual(read, [
    ['in-sequence', 0, 96],
    ['at-random', 0, 12],
    ['direct', 0, 32],
  ]);
}

test('fio reads back what it has written, at once and after a remount', async () => {
  await withStore(
    async (store) => {
      const folder = join(store.mountpoint, 'host/x/current');
      runJobs(folder, '--do_verify=1');
      await store.remount();
      runJobs(folder, '--verify_only=1');
      assert.deepEqual(store.status().problems, []);
    },
    { groups: ['host/x'] },
  );
});
