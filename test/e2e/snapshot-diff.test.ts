import assert from 'node:assert/strict';
import {
  chmodSync,
  lchownSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type TestStore, withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';
import { python } from '../support/python.js';

const GROUP = 'host/x';
const LATEST = `${GROUP}/latest`;

function snapshot(store: TestStore): string {
  const { group, time } = JSON.parse(store.cairn('snapshot', 'create', '--json', GROUP)) as Record<string, string>;
  return `${group}/${time}`;
}

/** The differences as `+path` or `M path parts`, without times, which all that is touched changes. */
function diff(store: TestStore, a: string, b: string): string[] {
  const lines = store.cairn('snapshot', 'diff', '--json', a, b).split('\n');
  return lines
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { change: string; path: string; pathHex?: string; parts: string[] })
    .map(({ change, path, pathHex, parts }) => ({
      change,
      path: pathHex ?? path,
      parts: parts.filter((p) => p !== 'mtime'),
    }))
    .filter(({ change, parts }) => change !== 'changed' || parts.length > 0)
    .map(({ change, path, parts }) => [change, path, ...parts].join(' '))
    .sort();
}

/** The tree before the changes. */
function makeBefore(at: (name: string) => string): void {
  mkdirSync(at('sub/deep'), { recursive: true });
  mkdirSync(at('kept'));
  for (let i = 0; i < 300; i++) writeFileSync(at(`kept/${i}`), noise(String(i), i * 3));
  for (const name of ['small', 'mode', 'owner', 'attributes', 'gone', 'moved', 'kind', 'time', 'sub/deep/file'])
    writeFileSync(at(name), `content of ${name}`);
  writeFileSync(at('large'), noise('large', 9_000_000));
  writeFileSync(at('grows'), noise('grows', 5_000_000));
  symlinkSync('a', at('link'));
}

test('diff lists what was done, by whichever names the trees are given', async () => {
  await withStore(
    async (store) => {
      const current = join(store.mountpoint, GROUP, 'current');
      const at = (name: string): string => join(current, name);
      makeBefore(at);
      const first = snapshot(store);
      assert.deepEqual(diff(store, first, `${GROUP}/current`), []);
      writeFileSync(at('small'), 'CONTENT of small');
      writeFileSync(at('large'), noise('other', 100), { flag: 'r+' });
      writeFileSync(at('grows'), 'more', { flag: 'a' });
      chmodSync(at('mode'), 0o600);
      lchownSync(at('owner'), 5, 6);
      python("os.setxattr(args[0], 'user.a', b'1')", at('attributes'));
      rmSync(at('gone'));
      renameSync(at('moved'), at('to'));
      rmSync(at('kind'));
      mkdirSync(at('kind/inside'), { recursive: true });
      utimesSync(at('time'), 1, 1);
      rmSync(at('link'));
      symlinkSync('b', at('link'));
      rmSync(at('sub'), { recursive: true });
      linkSync(at('small'), at('kept/linked'));
      writeFileSync(Buffer.concat([Buffer.from(`${current}/`), Buffer.from([0xff])]), '');
      const expected = [
        'added ff',
        'added kept/linked',
        'added kind/inside',
        'added to',
        'changed attributes xattrs',
        'changed grows content',
        'changed kind type',
        'changed large content',
        'changed link target',
        'changed mode mode',
        'changed owner owner',
        'changed small content',
        'removed gone',
        'removed moved',
        'removed sub',
        'removed sub/deep',
        'removed sub/deep/file',
      ];
      assert.deepEqual(diff(store, first, join(store.mountpoint, GROUP, 'current')), expected);
      const second = snapshot(store);
      assert.deepEqual(diff(store, first, second), expected);
      assert.deepEqual(diff(store, join(store.mountpoint, first), LATEST), expected);
      assert.deepEqual(diff(store, second, `${GROUP}/current`), []);
      await store.umount();
      assert.deepEqual(diff(store, first, `${GROUP}/current`), expected);
      const text = store.cairn('snapshot', 'diff', first, second);
      assert.match(text, /^M time \(mtime\)$/m);
      assert.match(text, /^\+ to$/m);
      assert.equal(store.run(['snapshot', 'diff', `${first}:sub`, second]).status, 2);
      await store.mount();
    },
    { groups: [GROUP] },
  );
});

test('find tells when a path appeared, changed and went, by path or pattern', async () => {
  await withStore(
    (store) => {
      const at = (name: string): string => join(store.mountpoint, GROUP, 'current', name);
      const versions = (...args: string[]): Record<string, string[]> => {
        const found = JSON.parse(store.cairn('snapshot', 'find', '--json', ...args)) as {
          path: string;
          versions: { change: string }[];
        }[];
        return Object.fromEntries(found.map(({ path, versions: all }) => [path, all.map(({ change }) => change)]));
      };
      mkdirSync(at('etc/deep/er'), { recursive: true });
      writeFileSync(at('other'), '');
      snapshot(store);
      writeFileSync(at('etc/hosts'), 'one');
      writeFileSync(at('etc/deep/er/a.conf'), 'one');
      snapshot(store);
      snapshot(store);
      truncateSync(at('etc/hosts'), 1);
      writeFileSync(at('etc/b.conf'), '');
      snapshot(store);
      rmSync(at('etc/hosts'));
      snapshot(store);
      const hosts = ['appeared', 'same', 'changed', 'gone'];
      assert.deepEqual(versions('--group', GROUP, 'etc/hosts'), { 'etc/hosts': hosts });
      assert.deepEqual(versions(at('etc/hosts')), { 'etc/hosts': hosts });
      assert.deepEqual(versions('--group', GROUP, 'etc/h?s[t-z]s'), { 'etc/hosts': hosts });
      assert.deepEqual(versions('--group', GROUP, '**/*.conf'), {
        'etc/deep/er/a.conf': ['appeared', 'same', 'same', 'same'],
        'etc/b.conf': ['appeared', 'same'],
      });
      const none = store.run(['snapshot', 'find', '--group', GROUP, 'none']);
      assert.deepEqual([none.status, none.stderr], [3, 'cairn: No snapshot has none\n']);
      const text = store.cairn('snapshot', 'find', '--group', GROUP, 'etc/hosts');
      assert.equal(text.trim().split('\n').length, 5, text);
      assert.equal(store.run(['snapshot', 'find', 'etc/hosts']).status, 2);
    },
    { groups: [GROUP] },
  );
});
