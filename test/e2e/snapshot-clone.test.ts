import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openCatalogReader } from '../../src/catalog/open-reader.js';
import { outputOf, until } from '../support/commands.js';
import { assertSameTree, differences } from '../support/compare-trees.js';
import { makeOddTree } from '../support/make-odd-tree.js';
import { MAIN, type TestStore, withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';

const GROUP = 'host/x';
const LATEST = `${GROUP}/latest`;
const currentOf = (store: TestStore, group = GROUP): string => join(store.mountpoint, group, 'current');
const withGroup = (body: (store: TestStore) => Promise<void> | void): Promise<void> =>
  withStore(body, { groups: [GROUP] });

/** Chunks written since the daemon started. */
function inserts(store: TestStore): number {
  return (store.status().chunks as { inserts: number }).inserts;
}

/** Inodes without a name in the catalog's last commit. */
function orphans(store: TestStore): number {
  const catalog = openCatalogReader(join(store.store, '.cairn/catalog.db'));
  try {
    return catalog.orphans.list(0, 1000).length;
  } finally {
    catalog.close();
  }
}

test('a clone is the tree of its snapshot, made without any data', async () => {
  await withGroup(async (store) => {
    makeOddTree(join(store.folder, 'source'));
    outputOf('rsync', ['-aHAX', '--modify-window=-1', `${store.folder}/source/`, `${currentOf(store)}/`]);
    store.cairn('snapshot', 'create', GROUP);
    const before = inserts(store);
    assert.ok(!existsSync(join(store.mountpoint, 'ct/copy')));
    store.cairn('clone', LATEST, 'ct/copy');
    assert.equal(inserts(store), before);
    assertSameTree(currentOf(store), currentOf(store, 'ct/copy'));
    // It goes on by itself, its snapshots hold what it holds, and it is still there after a remount.
    writeFileSync(join(currentOf(store, 'ct/copy'), 'contents/copy'), 'changed');
    assert.equal(readFileSync(join(currentOf(store), 'contents/copy')).length, 5 * 1024 * 1024 + 1);
    store.cairn('snapshot', 'create', 'ct/copy');
    await store.remount();
    assert.equal(differences(currentOf(store, 'ct/copy'), join(store.mountpoint, 'ct/copy/latest')), '');
    assert.deepEqual(store.status().problems, []);
  });
});

test('a live tree is replaced only when that is asked for, all at once', async () => {
  await withGroup(async (store) => {
    mkdirSync(join(currentOf(store), 'sub'));
    writeFileSync(join(currentOf(store), 'sub/file'), 'kept');
    store.cairn('snapshot', 'create', GROUP);
    writeFileSync(join(currentOf(store), 'sub/file'), 'later');
    for (let i = 0; i < 300; i++) writeFileSync(join(currentOf(store), `more-${i}`), noise(String(i), 2000));
    const refused = store.run(['clone', LATEST, GROUP]);
    const inTheWay = `cairn: ${GROUP}/current is there and not empty`;
    const said = (how: string) => [1, `${inTheWay}: ${how} puts the clone in its place\n`];
    assert.deepEqual([refused.status, refused.stderr], said('--replace'));
    const restored = store.run(['restore', '--into-current', LATEST, `${GROUP}/current`]);
    assert.deepEqual([restored.status, restored.stderr], said('--overwrite always'));
    assert.equal(store.run(['clone', '--replace', LATEST, GROUP]).status, 2);
    assert.equal(readFileSync(join(currentOf(store), 'sub/file'), 'utf8'), 'later');
    const open = openSync(join(currentOf(store), 'more-1'), 'r');
    store.cairn('clone', '--replace', '--yes', LATEST, GROUP);
    assert.deepEqual(readdirSync(currentOf(store)), ['sub']);
    assert.equal(readFileSync(join(currentOf(store), 'sub/file'), 'utf8'), 'kept');
    assert.ok(readFileSync(open).equals(noise('1', 2000)));
    closeSync(open);
    writeFileSync(join(currentOf(store), 'sub/file'), 'goes on');
    await store.remount();
    assert.equal(readFileSync(join(currentOf(store), 'sub/file'), 'utf8'), 'goes on');
    await store.umount();
    store.cairn('clone', '--replace', '--yes', LATEST, GROUP);
    store.cairn('clone', GROUP, 'host/unmounted');
    assert.equal((JSON.parse(store.cairn('snapshot', 'list', '--json')) as unknown[]).length, 1);
    await store.mount();
    assert.equal(readFileSync(join(currentOf(store), 'sub/file'), 'utf8'), 'kept');
    assert.equal(differences(currentOf(store), currentOf(store, 'host/unmounted')), '');
  });
});

test('a path is restored into the live tree by reference, and what it replaces goes', async () => {
  await withGroup(async (store) => {
    mkdirSync(join(currentOf(store), 'etc/deep'), { recursive: true });
    writeFileSync(join(currentOf(store), 'etc/hosts'), 'hosts');
    writeFileSync(join(currentOf(store), 'etc/deep/large'), noise('large', 3_000_000));
    store.cairn('snapshot', 'create', GROUP);
    rmSync(join(currentOf(store), 'etc/deep'), { recursive: true });
    writeFileSync(join(currentOf(store), 'etc/hosts'), 'broken');
    const restore = (...args: string[]): number | null =>
      store.run(['snapshot', 'restore', '--into-current', ...args]).status;
    assert.equal(restore(`${LATEST}:etc`, `${GROUP}/current:etc`), 1);
    assert.equal(restore(`${LATEST}:etc`, `${GROUP}/current:etc/deep/there`), 3);
    assert.equal(restore('--overwrite', 'older', `${LATEST}:etc`, `${GROUP}/current:etc`), 2);
    assert.equal(restore(`${LATEST}:etc/deep`, join(currentOf(store), 'etc/deep')), 0);
    assert.ok(readFileSync(join(currentOf(store), 'etc/deep/large')).equals(noise('large', 3_000_000)));
    assert.equal(restore('--overwrite', 'always', '--yes', `${LATEST}:etc/hosts`, `${GROUP}/current:etc/hosts`), 0);
    assert.equal(readFileSync(join(currentOf(store), 'etc/hosts'), 'utf8'), 'hosts');
    assert.equal(restore(`${LATEST}:etc`, `${GROUP}/current:before`), 0);
    assert.equal(differences(join(currentOf(store), 'before'), join(store.mountpoint, LATEST, 'etc')), '');
    assert.equal(restore('--overwrite', 'always', '--yes', `${LATEST}:etc`, `${GROUP}/current:etc`), 0);
    assert.equal(differences(join(currentOf(store), 'etc'), join(store.mountpoint, LATEST, 'etc')), '');
    // From within the mount a path needs no more than other commands' do.
    const inMount = (cwd: string, target: string): number | null =>
      store.run(['restore', '--into-current', `${LATEST}:etc`, target], { cwd }).status;
    assert.equal(inMount(currentOf(store), 'relative'), 0);
    assert.equal(inMount(join(currentOf(store), 'etc'), 'deep/also'), 0);
    assert.equal(differences(join(currentOf(store), 'etc/deep/also'), join(store.mountpoint, LATEST, 'etc')), '');
    assert.equal(inMount(currentOf(store), 'none/such'), 3);
    assert.equal(inMount(store.folder, 'relative'), 2);
    await until('what was replaced is gone from the catalog', () => orphans(store) === 0, 20_000);
  });
});

test('a clone that a crash interrupts leaves nothing', async () => {
  await withGroup(async (store) => {
    for (let folder = 0; folder < 20; folder++) {
      mkdirSync(join(currentOf(store), String(folder)));
      for (let i = 0; i < 150; i++) writeFileSync(join(currentOf(store), String(folder), String(i)), `${folder} ${i}`);
    }
    store.cairn('snapshot', 'create', GROUP);
    const journal = join(store.store, '.cairn/journal');
    const bytes = (): number => readdirSync(journal).reduce((sum, name) => sum + statSync(join(journal, name)).size, 0);
    const before = bytes();
    const env = { ...process.env, CAIRN_STORE: store.store };
    const clone = spawn(process.execPath, [MAIN, 'clone', LATEST, 'host/copy'], { env, stdio: 'ignore' });
    const ended = once(clone, 'exit');
    await until('the clone is under way', () => clone.exitCode !== null || bytes() > before + 50_000);
    await store.kill9();
    await ended;
    await store.mount();
    const groups = readdirSync(join(store.mountpoint, 'host')).sort();
    if (groups.length === 2) assert.equal(differences(currentOf(store), currentOf(store, 'host/copy')), '');
    else assert.deepEqual(groups, ['x']);
    store.cairn('clone', '--replace', '--yes', LATEST, 'host/copy');
    assert.equal(differences(currentOf(store), currentOf(store, 'host/copy')), '');
  });
});
