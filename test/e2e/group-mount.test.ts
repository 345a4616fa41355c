import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { outputOf } from '../support/commands.js';
import { differences } from '../support/compare-trees.js';
import { hasErrno } from '../support/errno.js';
import { makeOddTree } from '../support/make-odd-tree.js';
import { withStore } from '../support/mounted-store.js';

const GROUP = 'host/x';

test('one group is a plain drive whose snapshots rsync --delete, find and rm leave alone', async () => {
  await withStore(
    async (store) => {
      await store.remount('--group', GROUP);
      const { mountpoint } = store;
      const source = join(store.folder, 'source');
      makeOddTree(source);
      outputOf('rsync', ['-aHAX', '--modify-window=-1', '--delete', `${source}/`, `${mountpoint}/`]);
      const first = JSON.parse(store.cairn('snapshot', 'create', '--json', GROUP)) as { time: string };
      const snapshot = join(mountpoint, '.snapshots', first.time);
      assert.equal(differences(source, snapshot), '');
      assert.ok(!readdirSync(mountpoint).includes('.snapshots'));
      const empty = join(store.folder, 'empty');
      mkdirSync(empty);
      outputOf('rsync', ['-a', '--delete', `${empty}/`, `${mountpoint}/`]);
      assert.deepEqual(readdirSync(mountpoint), []);
      assert.equal(differences(source, snapshot), '');
      writeFileSync(join(mountpoint, 'again'), 'x');
      mkdirSync(join(mountpoint, 'sub'));
      writeFileSync(join(mountpoint, 'sub/file'), 'y');
      assert.ok(!outputOf('find', [mountpoint]).includes('.snapshots'));
      outputOf('sh', ['-c', `rm -rf '${mountpoint}'/*`]);
      assert.deepEqual(readdirSync(mountpoint), []);
      assert.deepEqual(readdirSync(join(mountpoint, '.snapshots')).sort(), [first.time, 'latest', 'owner']);
      assert.equal(readlinkSync(join(mountpoint, '.snapshots/latest')), first.time);
      hasErrno('EROFS', () => writeFileSync(join(snapshot, 'new'), ''));
      hasErrno(['EPERM', 'EEXIST'], () => rmdirSync(join(mountpoint, '.snapshots')));
    },
    { groups: [GROUP] },
  );
});

test('snapshots are made and forgotten by mkdir and rmdir below .snapshots, and the whole mount shows the same', async () => {
  await withStore(
    async (store) => {
      await store.remount('--group', GROUP);
      writeFileSync(join(store.mountpoint, 'file'), 'content');
      const [older, newer] = [-2, 0].map((seconds) =>
        new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z'),
      ) as [string, string];
      const at = (name: string): string => join(store.mountpoint, '.snapshots', name);
      mkdirSync(at(older));
      mkdirSync(at(newer));
      assert.equal(readFileSync(join(at('latest'), 'file'), 'utf8'), 'content');
      rmdirSync(at(newer));
      assert.ok(!existsSync(at(newer)));
      assert.equal(readlinkSync(at('latest')), older);
      const { ino } = statSync(join(at(older), 'file'));
      await store.remount();
      assert.deepEqual(readdirSync(join(store.mountpoint, GROUP)).sort(), [older, 'current', 'latest', 'owner']);
      assert.equal(statSync(join(store.mountpoint, GROUP, older, 'file')).ino, ino);
      assert.equal(readFileSync(join(store.mountpoint, GROUP, 'current/file'), 'utf8'), 'content');
    },
    { groups: [GROUP] },
  );
});

test('mounting a group that is none is refused with one line, and leaves nothing', async () => {
  await withStore(
    async (store) => {
      await store.umount();
      const { status, stderr } = store.run(['mount', '--group', 'host/none', store.store, store.mountpoint]);
      assert.notEqual(status, 0);
      assert.match(stderr, /There is no group host\/none/);
      await store.mount();
    },
    { groups: [GROUP] },
  );
});

test('latest is never the one before a change, however lately it was asked for', async () => {
  await withStore(
    (store) => {
      const at = (name: string): string => join(store.mountpoint, GROUP, name);
      const times = Array.from({ length: 6 }, (_, n) => `2026-01-01T00:00:${String(10 + n)}Z`);
      for (const time of times) {
        if (time !== times[0]) readlinkSync(at('latest'));
        mkdirSync(at(time));
        assert.equal(readlinkSync(at('latest')), time);
      }
      for (const time of times.slice(0, -1).reverse()) {
        readlinkSync(at('latest'));
        rmdirSync(at(readlinkSync(at('latest'))));
        assert.equal(readlinkSync(at('latest')), time);
      }
    },
    { groups: [GROUP] },
  );
});

test('a read-only mount shows everything and changes nothing', async () => {
  await withStore(
    async (store) => {
      writeFileSync(join(store.mountpoint, GROUP, 'current/file'), 'content');
      const { time } = JSON.parse(store.cairn('snapshot', 'create', '--json', GROUP)) as { time: string };
      await store.remount('--read-only');
      assert.equal(readFileSync(join(store.mountpoint, GROUP, time, 'file'), 'utf8'), 'content');
      assert.equal(readFileSync(join(store.mountpoint, GROUP, 'current/file'), 'utf8'), 'content');
      hasErrno('EROFS', () => writeFileSync(join(store.mountpoint, GROUP, 'current/new'), ''));
      hasErrno('EROFS', () => mkdirSync(join(store.mountpoint, GROUP, '2026-01-01T00:00:00Z')));
      hasErrno('EROFS', () => rmdirSync(join(store.mountpoint, GROUP, time)));
      const { status, stderr } = store.run(['snapshot', 'create', GROUP]);
      assert.notEqual(status, 0);
      assert.match(stderr, /read-only/);
      assert.deepEqual(store.status().problems, []);
    },
    { groups: [GROUP] },
  );
});
