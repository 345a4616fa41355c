import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isRunning, mountedOn, until } from '../support/commands.js';
import { hasErrno } from '../support/errno.js';
import { openFilesOf, type StatusReport, withStore } from '../support/mounted-store.js';

const groups = ['host/x'];

test('status --json tells who serves the store and what is not yet durable', async () => {
  await withStore(
    (store) => {
      writeFileSync(join(store.mountpoint, 'host/x/current/file'), Buffer.alloc(5_000_000, 'x'));
      const { pid, dirtyBytes, problems, mountpoint } = store.status();
      assert.equal(pid, store.pid);
      assert.equal(typeof dirtyBytes, 'number');
      assert.deepEqual(problems, []);
      assert.equal(mountpoint, store.mountpoint);
      assert.match(store.cairn('status'), /none/);
      store.cairn('sync');
      assert.equal(store.status().dirtyBytes, 0);
    },
    { groups },
  );
});

test('a store that nobody serves has a status too', async () => {
  await withStore(
    (store) => {
      const { pid, dirtyBytes, problems } = JSON.parse(store.cairn('status', '--json')) as StatusReport;
      assert.deepEqual({ pid, dirtyBytes, problems }, { pid: null, dirtyBytes: 0, problems: [] });
    },
    { mount: false },
  );
});

test('the kernel reads four requests ahead of a sequential reader', async () => {
  await withStore(async (store) => {
    const device = execFileSync('mountpoint', ['-d', store.mountpoint], { encoding: 'utf8' }).trim();
    await until('it is set', () => readFileSync(`/sys/class/bdi/${device}/read_ahead_kb`, 'utf8') === '4096\n');
  });
});

test('a second daemon is refused with the process id of the first', async () => {
  await withStore(async (store) => {
    const second = join(store.folder, 'second');
    mkdirSync(second);
    const { status, stderr } = store.run(['mount', store.store, second]);
    assert.notEqual(status, 0);
    assert.match(stderr, new RegExp(`\\b${store.pid}\\b`));
    assert.equal(stderr.trim().split('\n').length, 1);
    assert.deepEqual(mountedOn(second), []);
    assert.ok(statSync(store.mountpoint).isDirectory());
  });
});

test('the next mount cleans up after a killed daemon and has all that was closed', async () => {
  await withStore(
    async (store) => {
      const file = join(store.mountpoint, 'host/x/current/file');
      const content = 'closed before the daemon died\n'.repeat(100_000);
      writeFileSync(file, content);
      await store.kill9();
      hasErrno(['ENOTCONN', 'ECONNABORTED'], () => statSync(file));
      const { status, stdout } = store.run(['status', '--json']);
      assert.notEqual(status, 0);
      assert.equal((JSON.parse(stdout) as StatusReport).problems.length, 1);
      await store.mount();
      assert.equal(mountedOn(store.mountpoint).length, 1);
      assert.equal(readFileSync(file, 'utf8'), content);
      assert.deepEqual(store.status().problems, []);
    },
    { groups },
  );
});

test('umount cleans up after a killed daemon too', async () => {
  await withStore(async (store) => {
    await store.kill9();
    assert.equal(mountedOn(store.mountpoint).length, 1);
    store.cairn('umount', store.mountpoint);
    assert.deepEqual(mountedOn(store.mountpoint), []);
  });
});

test('SIGTERM ends a daemon as umount does', async () => {
  await withStore(
    async (store) => {
      const file = join(store.mountpoint, 'host/x/current/file');
      writeFileSync(file, 'content');
      await store.umount('signal');
      assert.deepEqual(mountedOn(store.mountpoint), []);
      await store.mount();
      assert.equal(readFileSync(file, 'utf8'), 'content');
    },
    { groups },
  );
});

test('a mount in the background stands when the command returns', async () => {
  await withStore(
    async (store) => {
      store.cairn('mount', '--daemon', store.store, store.mountpoint);
      const { pid } = store.status();
      try {
        mkdirSync(join(store.mountpoint, 'host/x'), { recursive: true });
        writeFileSync(join(store.mountpoint, 'host/x/current/file'), 'content');
      } finally {
        store.cairn('umount', store.mountpoint);
      }
      await until('end of the daemon', () => !isRunning(pid));
      assert.deepEqual(mountedOn(store.mountpoint), []);
      await store.mount();
      assert.equal(readFileSync(join(store.mountpoint, 'host/x/current/file'), 'utf8'), 'content');
    },
    { mount: false },
  );
});

test('a failed start in the background is told by the command', async () => {
  await withStore(
    (store) => {
      const { status, stderr } = store.run(['mount', '--daemon', store.store, join(store.folder, 'nothing')]);
      assert.notEqual(status, 0);
      assert.match(stderr, /nothing/);
      assert.equal((JSON.parse(store.cairn('status', '--json')) as { pid: unknown }).pid, null);
    },
    { mount: false },
  );
});

test('umount refuses while files are open, and the mount goes on', async () => {
  await withStore(
    async (store) => {
      const cwd = join(store.mountpoint, 'host/x/current');
      const holder = spawn('cat', { cwd, stdio: ['pipe', 'ignore', 'ignore'] });
      try {
        await until('start of cat', () => holder.pid !== undefined && isRunning(holder.pid));
        const { status, stderr } = store.run(['umount', store.mountpoint]);
        assert.notEqual(status, 0);
        assert.match(stderr, /busy|in use/);
        writeFileSync(join(cwd, 'file'), 'still works');
      } finally {
        holder.kill('SIGKILL');
      }
      await until('end of cat', () => holder.signalCode !== null);
    },
    { groups },
  );
});

test('mounted read-only, nothing can be changed', async () => {
  await withStore(
    async (store) => {
      const current = join(store.mountpoint, 'host/x/current');
      writeFileSync(join(current, 'file'), 'content');
      await store.remount('--read-only');
      assert.equal(readFileSync(join(current, 'file'), 'utf8'), 'content');
      hasErrno('EROFS', () => writeFileSync(join(current, 'file'), 'x'));
      hasErrno('EROFS', () => mkdirSync(join(current, 'sub')));
      hasErrno('EROFS', () => mkdirSync(join(store.mountpoint, 'host/y')));
    },
    { groups },
  );
});

test('--group mounts one group as a plain drive with its snapshots out of the way', async () => {
  await withStore(
    async (store) => {
      writeFileSync(join(store.mountpoint, 'host/x/current/file'), 'content');
      store.cairn('snapshot', 'create', 'host/x');
      await store.remount('--group', 'host/x');
      assert.deepEqual(readdirSync(store.mountpoint), ['file']);
      const snapshots = join(store.mountpoint, '.snapshots');
      assert.ok(existsSync(snapshots));
      const time = readdirSync(snapshots).find((name) => name.startsWith('20'));
      assert.equal(readFileSync(join(snapshots, time ?? '', 'file'), 'utf8'), 'content');
      writeFileSync(join(store.mountpoint, 'second'), 'x');
      await store.remount();
      assert.deepEqual(readdirSync(join(store.mountpoint, 'host/x/current')).sort(), ['file', 'second']);
    },
    { groups },
  );
});

test('files that are open or read leave nothing open behind', async () => {
  await withStore(
    (store) => {
      const current = join(store.mountpoint, 'host/x/current');
      writeFileSync(join(current, 'warm'), Buffer.alloc(3_000_000, 'x'));
      store.cairn('sync');
      const before = openFilesOf(store.pid).length;
      for (let i = 0; i < 200; i++) {
        writeFileSync(join(current, String(i)), Buffer.alloc(20_000, i));
        readFileSync(join(current, String(i)));
      }
      store.cairn('sync');
      assert.ok(openFilesOf(store.pid).length <= before + 5, openFilesOf(store.pid).join('\n'));
    },
    { groups },
  );
});
