// Workloads on a mount: small pieces of a large file in no order, by fio, and programs that wait for fsync.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildNames } from './build.mjs';
import { kept } from './copying.mjs';
import { fileBytes, run } from './processes.mjs';
import { readAll } from './trees.mjs';

const SECONDS = { full: 2, tiny: 1 };
const COMMITS = { full: 300, tiny: 30 };

/** Runs fio on all `bytes` of a file. @returns operations per second */
function fio(context, { file, bytes }, options) {
  const args = [
    ...['--name=bench', `--filename=${file}`, `--size=${bytes}`, '--bs=4k', '--ioengine=psync'],
    ...['--time_based', `--runtime=${SECONDS[context.size]}`, '--group_reporting', '--output-format=json'],
    // What fio reports without this is in part what it had to wait for before it began.
    ...['--fallocate=none', '--invalidate=0', '--randrepeat=1', ...options],
  ];
  const printed = run('fio', args);
  const [job] = JSON.parse(printed.slice(printed.indexOf('{'))).jobs;
  return job.read.iops + job.write.iops;
}

/** Random reads, random writes with and without fsync, and what the latter cost others and the store. */
export async function random(context, system) {
  const folder = system.target('random');
  const file = join(folder, 'disk.raw');
  // An image as fio lays it out: random bytes, in order.
  const source = join(context.tree('noise'), 'disk.raw');
  const image = { file, bytes: fileBytes(source) };
  run('cp', [source, file]);
  system.durable();
  await system.cold();
  context.add('reads, cold: IOPS', fio(context, image, ['--rw=randread']));
  context.add('writes with fsync, 1 job: IOPS', fio(context, image, ['--rw=randwrite', '--fsync=1']));
  context.add('writes with fsync, 8 jobs: IOPS', fio(context, image, ['--rw=randwrite', '--fsync=1', '--numjobs=8']));
  system.durable();
  const before = system.storedBytes();
  const beside = await latencyBeside(context, system.target('beside'), () => {
    context.add('writes: IOPS', fio(context, image, ['--rw=randwrite']));
  });
  context.add('create beside writes, p99: ms', beside);
  system.durable();
  await kept(context, system, 'random');
  context.add('writes: stored more, share of the image', (system.storedBytes() - before) / image.bytes);
}

/** How long making a file takes while `work` runs, in milliseconds: 99 % take less. */
async function latencyBeside(context, folder, work) {
  const client = spawn(buildNames(context.place), ['latency', folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  client.stdout.on('data', (text) => {
    printed += text;
  });
  const ended = once(client, 'close');
  work();
  client.kill('SIGTERM');
  await ended;
  return Number(printed.match(/p99 (\d+)/)[1]) / 1000;
}

const SQLITE = `
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute('CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT)')
for n in range(int(sys.argv[2])):
    database.execute('INSERT INTO t VALUES (?, ?)', (n, 'x' * 100))
`;

/** SQLite with a transaction a row, and git with a commit of many files: both wait for fsync. */
export async function syncing(context, system) {
  const folder = system.target('syncing');
  const commits = COMMITS[context.size];
  // What the programs are read from is not what is measured.
  run('python3', ['-c', 'import sqlite3']);
  run('git', ['--version']);
  readAll('/usr/include/linux');
  const seconds = await context.time('sqlite', () => {
    run('python3', ['-c', SQLITE, join(folder, 'sqlite.db'), `${commits}`]);
  });
  context.add('sqlite: commits/s', commits / seconds);
  const repository = join(folder, 'repository');
  mkdirSync(repository);
  const author = ['-c', 'user.name=bench', '-c', 'user.email=bench@localhost', '-c', 'core.fsync=all'];
  await context.time('git', () => {
    run('cp', ['-a', '/usr/include/linux', repository]);
    run('git', ['-C', repository, 'init', '--quiet']);
    run('git', ['-C', repository, ...author, 'add', '.']);
    run('git', ['-C', repository, ...author, 'commit', '--quiet', '--message', 'all']);
  });
}
