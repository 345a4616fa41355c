import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { BackedUp } from '../../src/control/backup-commands.js';
import { outputOf, runCommand, until } from '../support/commands.js';
import { assertSameTree, differences } from '../support/compare-trees.js';
import { makeOddTree } from '../support/make-odd-tree.js';
import { type MemoryMount, skipMounts, withMemoryMount } from '../support/memory-mount.js';
import { MAIN, type TestStore, withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';
import { memoryDisk, NEEDS_ROOT } from '../support/small-disk.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const GROUP = 'host/direct';
const LATEST = `${GROUP}/latest`;
/** Threads that read a source, at least (native/pool.cc). */
const SOURCE_THREADS = 4;

function backup(store: TestStore, source: string, ...options: string[]): BackedUp {
  return JSON.parse(store.cairn('backup', '--json', ...options, source, GROUP)) as BackedUp;
}

function restored(store: TestStore, name: string): string {
  const target = join(store.folder, name);
  const { problems } = JSON.parse(store.cairn('restore', '--json', '--devices', '--set-id', LATEST, target)) as {
    problems: unknown[];
  };
  assert.deepEqual(problems, []);
  return target;
}

/** What its files read in each run: the kernel's clock must have ticked since they were changed. */
async function settled(source: string): Promise<void> {
  const [seconds, probe] = [Date.now(), join(source, '..', 'probe')];
  await until('a tick', () => {
    writeFileSync(probe, '');
    return Date.now() - seconds > 60;
  });
  rmSync(probe);
}

test('a backup of a folder is that folder; once more it reads nothing, and after changes only what changed', async () => {
  await withStore(async (store) => {
    const source = join(store.folder, 'source');
    makeOddTree(source);
    await store.umount();
    await settled(source);
    const first = backup(store, source);
    assert.deepEqual([first.problems, first.figures.unchangedFiles], [[], 0]);
    assert.ok(first.figures.readBytes > 40_000_000 && first.figures.links > 3);
    const again = backup(store, source);
    assert.deepEqual([again.figures.readBytes, again.figures.newFiles, again.figures.changedFiles], [0, 0, 0]);
    appendFileSync(join(source, 'contents/noise-5242881'), 'grown');
    writeFileSync(join(source, 'contents/many/7'), 'changed');
    writeFileSync(join(source, 'contents/many/new'), noise('7', 37 * 7));
    renameSync(join(source, 'contents/many/8'), join(source, 'contents/many/renamed'));
    rmSync(join(source, 'names'), { recursive: true });
    linkSync(join(source, 'links/first'), join(source, 'links/fourth'));
    chmodSync(join(source, 'contents/many/9'), 0o600);
    await settled(source);
    const changed = backup(store, source);
    // A change of attributes or links is one of the change time: such files are read, too.
    assert.deepEqual([changed.figures.newFiles, changed.figures.changedFiles], [2, 4]);
    assertSameTree(source, restored(store, 'changed'));
    // What was read is found in packs and chunks that are there.
    assert.ok((changed.snapshot?.addedBytes ?? 0) < 3_000_000);
    store.cairn('check', '--deep');
    await store.mount();
  });
});

test('through the daemon: the snapshot shows at once, the live tree stays, and equal content is stored once', async () => {
  await withStore(
    async (store) => {
      const source = join(store.folder, 'source');
      makeOddTree(source);
      await settled(source);
      const group = join(store.mountpoint, GROUP);
      assert.ok(!existsSync(group));
      const { snapshot, problems } = backup(store, source);
      assert.deepEqual(problems, []);
      assert.deepEqual(readdirSync(group).sort(), [snapshot?.time, 'current', 'latest', 'owner'].sort());
      assert.deepEqual(readdirSync(join(group, 'current')), []);
      assert.equal(differences(source, join(group, 'latest')), '');
      assert.equal(backup(store, source).figures.readBytes, 0);
      // Into another group everything is read and nothing stored but what tells of it.
      const other = JSON.parse(store.cairn('backup', '--json', source, 'ct/other')) as BackedUp;
      assert.ok(other.figures.readBytes > 40_000_000);
      assert.ok((other.snapshot?.addedBytes ?? 0) < 300_000, `${other.snapshot?.addedBytes}`);
      // Collection keeps what backups use; the tree can be written to from there.
      store.cairn('snapshot', 'forget', `${GROUP}/${snapshot?.time}`);
      store.cairn('gc', '--grace', '0');
      store.cairn('clone', LATEST, GROUP, '--replace', '--yes');
      assert.equal(differences(source, join(group, 'current')), '');
      assert.equal(differences(source, join(store.mountpoint, 'ct/other/latest')), '');
      assert.equal(store.run(['backup', group, GROUP]).status, 2);
    },
    { groups: [] },
  );
});

test('what is to be left out is, and a dry run changes nothing', async () => {
  await withStore((store) => {
    const source = join(store.folder, 'source');
    for (const folder of ['keep/sub', 'cache/sub', 'out', 'keep/out'])
      mkdirSync(join(source, folder), { recursive: true });
    const names = [
      'a.o',
      'a.c',
      'keep/b.o',
      'keep/important.o',
      'keep/sub/c.c',
      'cache/x',
      'cache/sub/y',
      'out/z',
      'keep/out/w',
    ];
    for (const name of names) writeFileSync(join(source, name), name);
    writeFileSync(join(source, 'cache/CACHEDIR.TAG'), 'Signature: 8a477f597d28d172789f06886806bc55\n# more\n');
    writeFileSync(join(store.folder, 'patterns'), '# comment\n\n*.o\n!important.o\n');
    const options = ['--exclude', '/out', '--exclude-from', join(store.folder, 'patterns'), '--exclude-caches'];
    const dry = backup(store, source, '--dry-run', ...options);
    assert.deepEqual([dry.snapshot, dry.figures.files, dry.figures.excluded], [null, 5, 5]);
    assert.equal(dry.figures.readBytes, dry.figures.contentBytes);
    assert.ok(!existsSync(join(store.mountpoint, GROUP)));
    const real = backup(store, source, ...options);
    assert.deepEqual([real.figures.files, real.figures.readBytes], [dry.figures.files, dry.figures.readBytes]);
    const latest = join(store.mountpoint, LATEST);
    const found = ['a.c', 'cache', 'cache/CACHEDIR.TAG', 'keep', 'keep/important.o', 'keep/out', 'keep/out/w'];
    const listed = readdirSync(latest, { recursive: true, encoding: 'utf8' }).sort();
    assert.deepEqual(listed, [...found, 'keep/sub', 'keep/sub/c.c'].sort());
  });
});

test('the datastore and its mount are left out of what they are in; other file systems if asked', async () => {
  await withStore(async (store) => {
    writeFileSync(join(store.folder, 'file'), 'beside the datastore');
    const { problems } = backup(store, store.folder, '--exclude', 'daemon.*', '--one-file-system');
    assert.deepEqual(problems, []);
    const latest = join(store.mountpoint, LATEST);
    assert.deepEqual(readdirSync(join(latest, 'store')), []);
    assert.deepEqual(readdirSync(join(latest, 'mnt')), []);
    assert.equal(readFileSync(join(latest, 'file'), 'utf8'), 'beside the datastore');
    const { figures } = backup(store, store.folder, '--exclude', 'daemon.*');
    assert.equal(figures.files, 1);
    const bad = (...args: string[]): number | null => store.run(['backup', ...args]).status;
    assert.equal(bad(join(store.folder, 'none'), GROUP), 3);
    assert.equal(bad(join(store.folder, 'file'), GROUP), 1);
    assert.equal(bad(store.folder, 'no/group'), 2);
    assert.equal(bad('--exclude-from', join(store.folder, 'none'), store.folder, GROUP), 3);
    await store.umount();
    assert.equal(bad(join(store.store, '.chunks'), GROUP), 2);
    await store.mount();
  });
});

test('a source that hangs keeps nothing of the mount waiting', { skip: skipMounts }, async () => {
  await withStore(
    async (store) => {
      const useSource = async (source: MemoryMount) => {
        const only = ['--exclude', '/*', '--exclude', '!/stuck-*'];
        const child = spawn(process.execPath, [MAIN, 'backup', ...only, source.mountpoint, GROUP], {
          env: { ...process.env, CAIRN_STORE: store.store },
          stdio: 'ignore',
        });
        const ended = once(child, 'exit');
        while ((await source.state()).counters.unanswered < SOURCE_THREADS) assert.equal(child.exitCode, null);
        const write = ['if=/dev/zero', `of=${store.mountpoint}/host/other/current/file`, 'count=1000', 'conv=fsync'];
        const { status, stderr } = spawnSync('dd', write, { timeout: 30_000, killSignal: 'SIGKILL' });
        await source.ask('release');
        assert.equal(status, 0, `the mount was kept waiting: ${stderr}`);
        assert.deepEqual(await ended, [0, null]);
        assert.equal(JSON.parse(store.cairn('snapshot', 'list', '--json')).length, 1);
      };
      await withMemoryMount(useSource, { stuckFiles: 64 });
    },
    { groups: ['host/other'] },
  );
});

test('a backup that is given up leaves no snapshot, and chunks that the next collection takes', async () => {
  await withStore(async (store) => {
    const source = join(store.folder, 'source');
    mkdirSync(source);
    writeFileSync(join(source, 'large'), noise('large', 3_000_000));
    // A file that takes some time to read: nearly all of it is a hole, which is passed over, in many small runs.
    const sparse = openSync(join(source, 'sparse'), 'w');
    ftruncateSync(sparse, 64 * 1024 ** 3);
    closeSync(sparse);
    for (let i = 0; i < 3000; i++) writeFileSync(join(source, `file-${i}`), noise(String(i), 30_000));
    utimesSync(source, 1, 1);
    const chunks = join(store.store, '.chunks');
    const count = (): number => readdirSync(chunks, { recursive: true }).length;
    const before = count();
    const child = spawn(process.execPath, [MAIN, 'backup', source, GROUP], {
      env: { ...process.env, CAIRN_STORE: store.store },
      stdio: 'ignore',
    });
    await until('chunks of the backup', () => count() > before + 3);
    child.kill('SIGINT');
    const [status] = (await once(child, 'exit')) as [number | null];
    assert.ok(status === 130, `ended with ${status}`);
    await until(
      'the daemon has given up',
      () => !existsSync(join(store.store, GROUP)) || readdirSync(join(store.store, GROUP)).length <= 1,
    );
    assert.deepEqual(JSON.parse(store.cairn('snapshot', 'list', '--json')), []);
    assert.match(store.cairn('gc', '--dry-run', '--full'), /Stray .*work that was given up/);
    store.cairn('gc', '--grace', '0', '--full');
    assert.equal(count(), before);
    store.cairn('check');
  });
});

test('a full disk is told in lines for people, also where nobody serves the store', { skip: NEEDS_ROOT }, (t) => {
  const disk = memoryDisk(t, 110);
  const source = temporaryFolder(t);
  // It fits, and leaves less than a commit wants free.
  for (let i = 0; i < 4; i++) writeFileSync(join(source, String(i)), noise(String(i), 8_000_000));
  const store = join(disk, 'store');
  outputOf(process.execPath, [MAIN, 'init', store]);
  const { stderr } = runCommand(process.execPath, [MAIN, 'backup', '--store', store, source, GROUP]);
  assert.match(stderr, /^cairn: The disk is full: the reserve is given up, and nothing new is taken$/m);
  assert.match(stderr, /^(cairn: [^\n]*\n)+$/);
});
