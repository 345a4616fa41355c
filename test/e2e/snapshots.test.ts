import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isRunning, outputOf, until } from '../support/commands.js';
import { hasErrno } from '../support/errno.js';
import { type TestStore, withStore } from '../support/mounted-store.js';
import { python } from '../support/python.js';

const GROUP = 'host/x';
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

const groupOf = (store: TestStore): string => join(store.mountpoint, GROUP);
const currentOf = (store: TestStore): string => join(groupOf(store), 'current');

/** The group's snapshots as `ls` shows them. */
function listed(store: TestStore): string[] {
  return readdirSync(groupOf(store))
    .filter((name) => TIME.test(name))
    .sort();
}

/** Takes a snapshot by the command and returns its time. */
function snapshot(store: TestStore): string {
  const { time } = JSON.parse(store.cairn('snapshot', 'create', '--json', GROUP)) as { time: string };
  return time;
}

/** A time as snapshots are named, `seconds` from now. */
const timeFromNow = (seconds: number): string =>
  new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z');

const withGroup = (body: (store: TestStore) => Promise<void> | void): Promise<void> =>
  withStore(body, { groups: [GROUP] });

test('a snapshot keeps the tree as it was while the live tree goes on', async () => {
  await withGroup(async (store) => {
    const current = currentOf(store);
    mkdirSync(join(current, 'sub'));
    writeFileSync(join(current, 'sub/kept'), 'first');
    writeFileSync(join(current, 'large'), Buffer.alloc(3_000_000, 'a'));
    linkSync(join(current, 'large'), join(current, 'second-name'));
    symlinkSync('sub/kept', join(current, 'link'));
    const before = lstatSync(join(current, 'sub/kept'), { bigint: true });
    const time = snapshot(store);
    writeFileSync(join(current, 'sub/kept'), 'second');
    truncateSync(join(current, 'large'), 10);
    renameSync(join(current, 'sub'), join(current, 'moved'));
    writeFileSync(join(current, 'new'), '');
    const kept = join(groupOf(store), time);
    const check = (): void => {
      assert.deepEqual(readdirSync(kept).sort(), ['large', 'link', 'second-name', 'sub']);
      assert.equal(readFileSync(join(kept, 'link'), 'utf8'), 'first');
      assert.equal(lstatSync(join(kept, 'sub/kept'), { bigint: true }).mtimeNs, before.mtimeNs);
      assert.ok(readFileSync(join(kept, 'large')).equals(Buffer.alloc(3_000_000, 'a')));
      const [a, b] = [lstatSync(join(kept, 'large')), lstatSync(join(kept, 'second-name'))];
      assert.deepEqual([a.ino, a.nlink], [b.ino, 2]);
    };
    check();
    await store.remount();
    check();
    assert.deepEqual(readdirSync(current).sort(), ['large', 'link', 'moved', 'new', 'second-name']);
  });
});

test('snapshots are listed by the command and by ls, and latest is the newest', async () => {
  await withGroup((store) => {
    assert.deepEqual(
      readdirSync(groupOf(store)).filter((name) => name === 'latest'),
      [],
    );
    assert.deepEqual(JSON.parse(store.cairn('snapshot', 'list', '--json')), []);
    const times: string[] = [];
    for (const content of ['one', 'two', 'three']) {
      writeFileSync(join(currentOf(store), 'file'), content);
      times.push(snapshot(store));
      assert.deepEqual(listed(store), times);
      assert.equal(readlinkSync(join(groupOf(store), 'latest')), times.at(-1));
      assert.equal(readFileSync(join(groupOf(store), 'latest/file'), 'utf8'), content);
    }
    assert.deepEqual([...times].sort(), times);
    const rows = JSON.parse(store.cairn('snapshot', 'list', '--json', GROUP)) as { group: string; time: string }[];
    assert.deepEqual(
      rows.map(({ group, time }) => [group, time]),
      times.map((time) => [GROUP, time]),
    );
    const byPath = store.cairn('snapshot', 'list', groupOf(store));
    for (const time of times) assert.ok(byPath.includes(time));
    assert.equal(readFileSync(join(groupOf(store), times[0] ?? '', 'file'), 'utf8'), 'one');
  });
});

test('mkdir of a time takes a snapshot', async () => {
  await withGroup((store) => {
    writeFileSync(join(currentOf(store), 'file'), 'content');
    const time = timeFromNow(0);
    const path = join(groupOf(store), time);
    mkdirSync(path);
    assert.equal(readFileSync(join(path, 'file'), 'utf8'), 'content');
    hasErrno('EEXIST', () => mkdirSync(path));
    hasErrno('EINVAL', () => mkdirSync(join(groupOf(store), timeFromNow(-60))));
    hasErrno('EINVAL', () => mkdirSync(join(groupOf(store), timeFromNow(3600))));
    hasErrno('EINVAL', () => mkdirSync(join(groupOf(store), 'no-time')));
    assert.deepEqual(listed(store), [time]);
    const files = readdirSync(join(store.store, GROUP, time)).sort();
    assert.deepEqual(files, ['cairn.attrs.didx', 'index.json.blob', 'root.mpxar.didx', 'root.ppxar.didx']);
  });
});

test('nothing in a snapshot can be changed', async () => {
  await withGroup((store) => {
    const current = currentOf(store);
    mkdirSync(join(current, 'sub'));
    for (const name of ['file', 'other']) writeFileSync(join(current, name), 'content');
    const kept = join(groupOf(store), snapshot(store));
    const at = (name: string): string => join(kept, name);
    const changes: (() => unknown)[] = [
      () => writeFileSync(at('file'), 'x'),
      () => writeFileSync(at('file'), 'x', { flag: 'a' }),
      () => writeFileSync(at('new'), 'x'),
      () => truncateSync(at('file'), 0),
      () => unlinkSync(at('file')),
      () => rmdirSync(at('sub')),
      () => mkdirSync(at('new')),
      () => renameSync(at('file'), at('moved')),
      () => renameSync(at('file'), at('other')),
      () => linkSync(at('file'), at('linked')),
      () => symlinkSync('x', at('linked')),
      () => chmodSync(at('file'), 0o600),
      () => utimesSync(at('file'), 1, 1),
      () => python("os.setxattr(args[0], 'user.a', b'1')", at('file')),
      () => python('os.mkfifo(args[0])', at('pipe')),
    ];
    for (const change of changes) hasErrno('EROFS', change);
    hasErrno(['EXDEV', 'EROFS'], () => renameSync(at('file'), join(current, 'stolen')));
    hasErrno(['EXDEV', 'EROFS'], () => linkSync(at('file'), join(current, 'stolen')));
    assert.deepEqual(readdirSync(kept).sort(), ['file', 'other', 'sub']);
    assert.equal(readFileSync(at('file'), 'utf8'), 'content');
    rmSync(join(current, 'sub'), { recursive: true });
  });
});

test('a snapshot taken while files are written holds the earlier and not the later', async () => {
  await withGroup(async (store) => {
    const program = `
i = 0
while os.getppid() == int(args[1]):
    with open('%s/%06d' % (args[0], i), 'w') as f: f.write('%d' % i)
    i += 1`;
    const frame = `import os, sys\nargs = sys.argv[1:]\n${program}`;
    const writer = spawn('python3', ['-c', frame, currentOf(store), String(process.pid)], { stdio: 'ignore' });
    const times: string[] = [];
    try {
      for (const enough of [50, 200, 500]) {
        await until(`${enough} files`, () => readdirSync(currentOf(store)).length >= enough);
        times.push(snapshot(store));
      }
      assert.ok(writer.pid !== undefined && isRunning(writer.pid));
    } finally {
      writer.kill('SIGKILL');
    }
    let last = 0;
    for (const time of times) {
      const names = readdirSync(join(groupOf(store), time)).sort();
      assert.ok(names.length > last);
      last = names.length;
      const complete = names.slice(0, -1);
      assert.deepEqual(
        names,
        names.map((_, i) => String(i).padStart(6, '0')),
      );
      for (const name of complete) {
        assert.equal(readFileSync(join(groupOf(store), time, name), 'utf8'), String(Number(name)));
      }
    }
  });
});

test('an unchanged tree adds next to nothing to the store', async () => {
  await withGroup((store) => {
    outputOf('cp', ['-a', '/usr/include/linux', currentOf(store)]);
    const sizeOf = (): number => {
      store.cairn('sync');
      return Number(outputOf('du', ['-sb', join(store.store, '.chunks')]).split('\t')[0]);
    };
    snapshot(store);
    const before = sizeOf();
    snapshot(store);
    const after = sizeOf();
    assert.ok(after - before < before / 50, `${before} bytes grew by ${after - before}`);
  });
});

test('groups are made and removed by mkdir and rmdir', async () => {
  await withGroup((store) => {
    const at = (name: string): string => join(store.mountpoint, name);
    mkdirSync(at('vm/100'), { recursive: true });
    mkdirSync(at('ns/customer/host/web'), { recursive: true });
    assert.deepEqual(
      readdirSync(at('vm/100')).filter((name) => name === 'current'),
      ['current'],
    );
    writeFileSync(at('ns/customer/host/web/current/file'), 'content');
    hasErrno('ENOTEMPTY', () => rmdirSync(at('ns/customer/host/web')));
    hasErrno('EPERM', () => rmdirSync(at('vm/100/current')));
    rmdirSync(at('vm/100'));
    hasErrno('ENOENT', () => readdirSync(at('vm/100')));
    store.cairn('snapshot', 'create', 'ns/customer/host/web');
    assert.equal(readFileSync(at('ns/customer/host/web/latest/file'), 'utf8'), 'content');
    rmSync(at('ns/customer/host/web/current/file'));
    hasErrno('ENOTEMPTY', () => rmdirSync(at('ns/customer/host/web')));
  });
});

test('a store that is not mounted lists its snapshots and takes new ones', async () => {
  await withStore(
    async (store) => {
      writeFileSync(join(currentOf(store), 'file'), 'content');
      await store.umount();
      store.cairn('snapshot', 'create', GROUP);
      const unmounted = JSON.parse(store.cairn('snapshot', 'list', '--json')) as { group: string; time: string }[];
      assert.equal(unmounted.length, 1);
      await store.mount();
      assert.deepEqual(
        listed(store),
        unmounted.map(({ time }) => time),
      );
      assert.equal(readFileSync(join(groupOf(store), 'latest/file'), 'utf8'), 'content');
    },
    { groups: [GROUP] },
  );
});
