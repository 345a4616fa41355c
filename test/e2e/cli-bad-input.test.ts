import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SPREAD_FORMAT_VERSION } from '../../src/datastore/config.js';
import { mountedOn, runCommand } from '../support/commands.js';
import { hasErrno } from '../support/errno.js';
import { MAIN, type TestStore, withStore } from '../support/mounted-store.js';

/** Asserts that `cairn ARGS…` fails with one clear line that says what `wanted` matches. */
function assertRefused(store: TestStore, args: readonly string[], wanted: RegExp): void {
  const { status, stderr } = store.run(args, { limitMilliseconds: 20_000 });
  assert.notEqual(status, 0, `cairn ${args.join(' ')} succeeded`);
  assert.notEqual(status, null, `cairn ${args.join(' ')} hung`);
  const lines = stderr.trim().split('\n');
  assert.equal(lines.length, 1, `wanted one line, got:\n${stderr}`);
  assert.match(lines[0] ?? '', wanted);
}

/** All names below a folder, to see that nothing came or went. */
function treeOf(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[]).sort();
}

const unmounted = { mount: false } as const;

test('what is no datastore is not mounted, and nothing is left in it', async () => {
  await withStore((store) => {
    const plain = join(store.folder, 'plain');
    mkdirSync(plain);
    assertRefused(store, ['mount', plain, store.mountpoint], /plain is not a datastore/);
    assertRefused(store, ['mount', join(store.folder, 'nothing'), store.mountpoint], /nothing/);
    assertRefused(store, ['--store', plain, 'status'], /plain is not a datastore/);
    assert.deepEqual(readdirSync(plain), []);
    assert.deepEqual(mountedOn(store.mountpoint), []);
  }, unmounted);
});

test('a datastore of a newer format is not touched', async () => {
  await withStore((store) => {
    const path = join(store.store, '.cairn/config.json');
    const config = JSON.parse(readFileSync(path, 'utf8')) as { format: number };
    const newer = JSON.stringify({ ...config, format: SPREAD_FORMAT_VERSION + 1 });
    writeFileSync(path, newer);
    const before = treeOf(store.store);
    assertRefused(store, ['mount', store.store, store.mountpoint], /format version \d+.*newer/);
    assert.deepEqual(treeOf(store.store), before);
    assert.equal(readFileSync(path, 'utf8'), newer);
  }, unmounted);
});

test('a datastore that says it has several backends and lists none is not touched', async () => {
  await withStore((store) => {
    const path = join(store.store, '.cairn/config.json');
    const config = JSON.parse(readFileSync(path, 'utf8')) as object;
    writeFileSync(path, JSON.stringify({ ...config, format: SPREAD_FORMAT_VERSION }));
    const before = treeOf(store.store);
    assertRefused(store, ['mount', store.store, store.mountpoint], /config\.json is damaged: format/);
    assert.deepEqual(treeOf(store.store), before);
  }, unmounted);
});

test('init makes nothing where it cannot make all', async () => {
  await withStore((store) => {
    assertRefused(store, ['init', '/proc/nowhere'], /\/proc\/nowhere/);
    const full = join(store.folder, 'full');
    mkdirSync(full);
    writeFileSync(join(full, 'file'), 'content');
    assertRefused(store, ['init', full], /full/);
    assert.deepEqual(treeOf(full), ['file']);
    const before = treeOf(store.store);
    assertRefused(store, ['init', store.store], /store/);
    assert.deepEqual(treeOf(store.store), before);
  }, unmounted);
});

test('a mountpoint must be a folder, free, and apart from the datastore', async () => {
  await withStore((store) => {
    const file = join(store.folder, 'file');
    writeFileSync(file, '');
    const inside = join(store.store, 'mnt');
    mkdirSync(inside);
    assertRefused(store, ['mount', store.store, join(store.folder, 'nothing')], /nothing/);
    assertRefused(store, ['mount', store.store, file], /not a folder/);
    assertRefused(store, ['mount', store.store, inside], /inside/);
    assertRefused(store, ['mount', store.store, store.folder], /inside/);
    assert.deepEqual(mountedOn(inside), []);
  }, unmounted);
});

test('a mountpoint in use is left alone', async () => {
  await withStore((store) => {
    const other = join(store.folder, 'other');
    store.cairn('init', other);
    assertRefused(store, ['mount', other, store.mountpoint], /mountpoint already/);
    assert.equal(mountedOn(store.mountpoint).length, 1);
    assert.ok(statSync(store.mountpoint).isDirectory());
    assertRefused(store, ['--store', other, 'sync'], /not mounted/);
  });
});

test('a machine without /dev/fuse is told so', { skip: process.getuid?.() === 0 ? false : 'needs root' }, async () => {
  await withStore((store) => {
    const script = `mount -t tmpfs none /dev && mknod /dev/null c 1 3 && mknod /dev/urandom c 1 9 &&
      exec "$0" "$1" mount "$2" "$3"`;
    const ran = runCommand('unshare', [
      '-m',
      'sh',
      '-c',
      script,
      process.execPath,
      MAIN,
      store.store,
      store.mountpoint,
    ]);
    assert.notEqual(ran.status, 0);
    assert.match(ran.stderr, /^cairn: .*\/dev\/fuse.*\n$/);
  }, unmounted);
});

test('commands that need a mount say so', async () => {
  await withStore((store) => {
    assertRefused(store, ['umount', store.mountpoint], /mnt/);
    assertRefused(store, ['umount', join(store.folder, 'nothing')], /nothing/);
    assertRefused(store, ['sync'], /not mounted/);
    assertRefused(store, ['snapshot', 'create', 'host/x'], /no group host\/x/);
    assert.equal((JSON.parse(store.cairn('status', '--json')) as { pid: unknown }).pid, null);
  }, unmounted);
});

test('bad names of groups and snapshots are refused', async () => {
  await withStore(
    (store) => {
      for (const group of ['host', 'host/', 'foo/bar', 'host/../x', 'host/-x', 'host/a b', 'host/x/y', '']) {
        assertRefused(store, ['snapshot', 'create', group], /group|datastore/i);
      }
      assertRefused(store, ['snapshot', 'create', 'host/missing'], /host\/missing/);
      const at = (name: string): string => join(store.mountpoint, name);
      for (const name of ['host/-x', 'host/a b', 'host/ä', 'host/x/2026-02-30T00:00:00Z', 'host/x/snap']) {
        hasErrno('EINVAL', () => mkdirSync(at(name)));
      }
      hasErrno('EINVAL', () => mkdirSync(at('host/x/2999-01-01T00:00:00Z')));
      for (const name of ['file', 'host/file', 'host/x/file']) hasErrno('EPERM', () => writeFileSync(at(name), ''));
      assert.deepEqual(readdirSync(at('host')), ['x']);
    },
    { groups: ['host/x'] },
  );
});

test('words that are no command or option are refused', async () => {
  await withStore((store) => {
    for (const args of [['nonsense'], ['status', '--nonsense'], ['mount'], ['snapshot', 'create']]) {
      const { status, stderr } = store.run(args);
      assert.equal(status, 2, args.join(' '));
      assert.match(stderr, /^(cairn|error): /m);
    }
    assert.match(store.cairn('--help'), /Examples:/);
    for (const command of ['init', 'mount', 'umount', 'sync', 'status']) {
      assert.match(store.cairn(command, '--help'), /Examples:/);
    }
  }, unmounted);
});
