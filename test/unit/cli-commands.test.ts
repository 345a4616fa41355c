import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import pLimit from 'p-limit';
import { createProgram } from '../../src/cli/program.js';
import { silentLog } from '../../src/core/log.js';
import { type DaemonOptions, runDaemon } from '../../src/daemon/main.js';
import { createDatastore } from '../../src/datastore/create.js';
import { datastorePaths } from '../../src/datastore/paths.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const MAIN = fileURLToPath(new URL('../../program/main.js', import.meta.url));
const workerScript = new URL('../support/fake-mount-worker.js', import.meta.url);

interface CommandEnd {
  /** The exit code, or the signal that ended it. */
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `cairn ARGS…` without holding up a daemon in this process. */
function cairn(args: readonly string[], environmentStore?: string): Promise<CommandEnd> {
  const { CAIRN_STORE: _, ...rest } = process.env;
  const env = environmentStore === undefined ? rest : { ...rest, CAIRN_STORE: environmentStore };
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env, timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : (error.code ?? error.signal ?? 'unknown'), stdout, stderr });
    });
  });
}

/** A datastore served by a daemon that mounts nothing. */
async function served(t: TestContext, behaviour = 'good'): Promise<{ options: DaemonOptions; ended: Promise<void> }> {
  const folder = temporaryFolder(t);
  const [store, mountpoint] = [join(folder, 'store'), join(folder, 'mnt')];
  await createDatastore(store, { reserveBytes: 4096 });
  mkdirSync(mountpoint);
  const rest = { readOnly: true, transport: 'native', logLevel: 'info' } as const;
  const options: DaemonOptions = { store, mountpoint, group: `host/${behaviour}`, ...rest };
  let ended: Promise<void> = Promise.resolve();
  await new Promise<void>((resolve, reject) => {
    ended = runDaemon(options, { log: silentLog, workerScript, onReady: () => resolve() });
    ended.catch(reject);
  });
  return { options, ended };
}

test('every command has help with examples', async () => {
  const leaves = (await createProgram()).commands.flatMap((command) =>
    command.commands.length > 0 ? command.commands : [command],
  );
  const found = leaves.map((command) => command.name());
  for (const name of ['init', 'mount', 'umount', 'sync', 'status', 'create', 'list'])
    assert.ok(found.includes(name), name);
  for (const command of leaves) {
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) });
    command.outputHelp();
    assert.match(help, new RegExp(`Examples:\n {2}\\$ cairn (\\w+ )?${command.name()}\\b`), command.name());
    assert.match(help, /--store <path>/, command.name());
  }
});

test('help is that of the command that is named, to its last word', async () => {
  for (const words of [['snapshot', 'create'], ['snapshot'], ['df'], []]) {
    const end = await cairn(['help', ...words]);
    assert.deepEqual([end.code, end.stderr], [0, '']);
    assert.match(end.stdout, new RegExp(`^Usage: ${['cairn', ...words].join(' ')} \\[`));
  }
  assert.equal((await cairn(['help', 'nonsense'])).code, 2);
});

test('commands talk to the daemon and print what it says', async (t) => {
  const { options, ended } = await served(t);
  const { store } = options;
  const status = await cairn(['status'], store);
  assert.equal(status.code, 6, 'there is a problem');
  for (const line of [/^Mounted +on .*\(host\/good, read-only\)$/m, /^Problem +A problem$/m, /5 B, the oldest/]) {
    assert.match(status.stdout, line);
  }
  const json = await cairn(['--store', store, 'status', '--json']);
  const { pid, dirtyBytes, oldestUnsyncedSeconds, problems } = JSON.parse(json.stdout) as Record<string, unknown>;
  assert.deepEqual([pid, dirtyBytes, oldestUnsyncedSeconds], [process.pid, 5, 0.5]);
  assert.deepEqual(problems, [{ kind: 'test', message: 'A problem' }]);
  assert.match((await cairn(['sync', '--store', store])).stdout, /durable/);
  const created = await cairn(['snapshot', 'create', '--json', 'host/a', '--store', store]);
  assert.equal((JSON.parse(created.stdout) as { group: string }).group, 'host/a');
  assert.match((await cairn(['snapshot', 'create', 'host/a'], store)).stdout, /host\/a\/2026-11-20T10:00:00Z/);
  assert.equal((await cairn(['snapshot', 'list', '--json'], store)).stdout, '[]\n');
  assert.equal((await cairn(['snapshot', 'list'], store)).stdout, 'No snapshots\n');
  const backup = await cairn(['backup', join(store, '..'), 'host/a'], store);
  assert.deepEqual([backup.code, backup.stderr], [6, 'cairn: a\\nlog\\x1b[2J: changed while it was read\n']);
  const unmounted = await cairn(['umount', '--store', store]);
  assert.deepEqual([unmounted.code, unmounted.stderr], [0, '']);
  await ended;
});

test('a read-only mount lets no setting be changed', async (t) => {
  const { options } = await served(t);
  const { store } = options;
  mkdirSync(join(store, 'host/a'), { recursive: true });
  const refused = 'cairn: The datastore is mounted read-only\n';
  for (const args of [
    ['policy', 'set', 'host/a', '--keep-last', '1'],
    ['schedule', 'set', 'gc', 'never'],
    ['schedule', 'on-failure', 'true'],
    ['schedule', 'run', 'gc'],
  ]) {
    const end = await cairn(args, store);
    assert.deepEqual([end.code, end.stdout, end.stderr], [1, '', refused], args.join(' '));
  }
  assert.ok(!existsSync(datastorePaths(store).settings));
  await cairn(['umount', store]);
});

test('output that cannot be written is told in one line', async (t) => {
  const store = join(temporaryFolder(t), 'store');
  await createDatastore(store, { reserveBytes: 4096 });
  const [full, env] = [openSync('/dev/full', 'w'), { ...process.env, CAIRN_STORE: store }];
  t.after(() => closeSync(full));
  const { status, stderr } = spawnSync(process.execPath, [MAIN, 'status'], { env, stdio: ['ignore', full, 'pipe'] });
  assert.equal(status, 1);
  assert.match(stderr.toString(), /^cairn: Cannot write the output: ENOSPC: [^\n]*\n$/);
});

test('an argument that is no UTF-8 is refused, one with the character that stands for such bytes is not', (t) => {
  const folder = temporaryFolder(t);
  const named = (name: string) => {
    const line = `exec "$0" "$1" init "$2/$(printf '${name}')"`;
    return spawnSync('sh', ['-c', line, process.execPath, MAIN, folder], { encoding: 'utf8' });
  };
  const refused = named('st \\377');
  assert.deepEqual([refused.status, refused.stdout], [2, '']);
  assert.match(
    refused.stderr,
    /^cairn: The argument ".*st \ufffd" is not valid UTF-8: name the folder above [^\n]*\n$/,
  );
  assert.deepEqual(readdirSync(folder), []);
  assert.equal(named('\\357\\277\\275').status, 0);
  assert.deepEqual(readdirSync(folder), ['\ufffd']);
});

test('the command for failures is shown, set and taken away, each as asked', async (t) => {
  const store = join(temporaryFolder(t), 'store');
  await createDatastore(store, { reserveBytes: 4096 });
  const said = async (...args: string[]) => (await cairn(['schedule', 'on-failure', ...args], store)).stdout;
  const [none, set] = ['Nothing is run when a job fails\n', 'When a job fails: mail root\n'];
  assert.equal(await said(), none);
  assert.equal(await said('mail root'), set);
  assert.equal(await said(), set);
  assert.equal((await cairn(['schedule', 'on-failure', '--none', 'x'], store)).code, 2);
  assert.equal(await said(''), none);
  assert.equal(await said('mail root'), set);
  assert.equal(await said('--none'), none);
  assert.equal(await said(), none);
});

test('a mount in use is told, and goes with --lazy', async (t) => {
  const { options, ended } = await served(t, 'in-use');
  const refused = await cairn(['umount', options.store]);
  assert.deepEqual([refused.code, refused.stderr], [4, 'cairn: Somebody works in it\n']);
  assert.equal((await cairn(['umount', '--lazy', options.store])).code, 0);
  await ended;
});

test('a daemon that was killed is not taken for one that runs', async (t) => {
  const { options, ended } = await served(t);
  const lock = join(options.store, '.cairn/lock');
  await cairn(['umount', options.store]);
  await ended;
  writeFileSync(lock, JSON.stringify({ pid: 1, socket: '/run/nowhere.sock', mountpoints: ['/x'], group: null }));
  const status = await cairn(['status', '--json'], options.store);
  assert.equal(status.code, 0);
  assert.equal((JSON.parse(status.stdout) as { pid: unknown }).pid, null);
  const sync = await cairn(['sync'], options.store);
  assert.deepEqual([sync.code, sync.stderr], [5, `cairn: The datastore ${options.store} is not mounted\n`]);
  rmSync(lock);
  assert.equal((await cairn(['status'], options.store)).code, 0);
});

test('bad input is one clear line on standard error and an exit code that tells', async (t) => {
  const folder = temporaryFolder(t);
  const store = join(folder, 'store');
  await createDatastore(store, { reserveBytes: 4096 });
  writeFileSync(join(folder, 'file'), '');
  const none = join(folder, 'none');
  const cases: [string[], number, RegExp][] = [
    [['init', folder], 1, /not empty/],
    [['init', 's3://bucket'], 1, /S3/],
    [['init', ''], 2, /empty/],
    [['init', '--layout', 'other', none], 2, /layout/],
    [['mount', none, folder], 3, /none/],
    [['mount', store, none], 3, /none/],
    [['mount', store, join(folder, 'file')], 1, /not a folder/],
    [['mount', store, store], 2, /inside/],
    [['mount', store, folder], 2, /inside/],
    [['mount', store, '/proc'], 4, /mountpoint already/],
    [['mount', '--daemon', store, none], 3, /none/],
    [['mount', '--group', 'x', store, none], 2, /Not a group/],
    [['mount', '--transport', 'x', store, none], 2, /transport/],
    [['mount', '--store', store, store, none], 2, /first argument/],
    [['umount', none], 3, /neither/],
    [['umount', store], 5, /not mounted/],
    [['umount', store, '--store', store], 2, /not both/],
    [['sync', '--store', folder], 3, /not a datastore/],
    [['status', '--store', 's3://x'], 1, /S3/],
    [['snapshot', 'create', 'a/b', '--store', store], 2, /Not a group/],
    [['snapshot', 'list', 'host/a', '--store', store], 3, /no group host\/a/],
    [['snapshot', 'list', './nowhere', '--store', store], 3, /nowhere/],
    [['nonsense'], 2, /unknown command/],
    [['status', 'surplus', '--store', store], 2, /too many arguments/],
  ];
  // Mounts claim the datastore, so one at a time.
  const [oneMount, few] = [pLimit(1), pLimit(3)];
  await Promise.all(
    cases.map(async ([args, code, message]) => {
      const end = await few(() => (args[0] === 'mount' ? oneMount(() => cairn(args)) : cairn(args)));
      assert.deepEqual([end.code, end.stdout], [code, ''], `cairn ${args.join(' ')}: ${end.stderr}`);
      assert.match(end.stderr, /^cairn: [^\n]+\n$/, args.join(' '));
      assert.match(end.stderr, message, args.join(' '));
    }),
  );
  const debug = await cairn(['status', '--debug', '--store', none]);
  assert.match(debug.stderr, /^cairn: [^\n]+\nCairnError: [^\n]+\n {4}at /);
});
