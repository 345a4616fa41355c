import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasErrno } from '../support/errno.js';
import { type TestStore, withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';

const GROUP = 'host/x';
const current = (store: TestStore): string => join(store.mountpoint, GROUP, 'current');
const marker = (store: TestStore, time: string): string => join(store.store, GROUP, time, '.protected');

function snapshot(store: TestStore): string {
  return (JSON.parse(store.cairn('snapshot', 'create', '--json', GROUP)) as { time: string }).time;
}

/** What `snapshot show --json` says. */
function shown(store: TestStore, name: string): Record<string, unknown> {
  return JSON.parse(store.cairn('snapshot', 'show', '--json', name)) as Record<string, unknown>;
}

/** Runs the same on the mounted store and on the one that is not. */
async function mountedAndNot(body: (store: TestStore, time: string) => void): Promise<void> {
  await withStore(
    async (store) => {
      writeFileSync(join(current(store), 'file'), 'content');
      const time = snapshot(store);
      body(store, time);
      await store.umount();
      body(store, time);
      await store.mount();
    },
    { groups: [GROUP] },
  );
}

test('a protected snapshot is kept whoever protected it, and whoever wants it gone', async () => {
  await mountedAndNot((store, time) => {
    const name = `${GROUP}/${time}`;
    const isListed = (): unknown =>
      (JSON.parse(store.cairn('snapshot', 'list', '--json')) as { protected: boolean }[])[0]?.protected;
    const refused = (): void => {
      const { status, stderr } = store.run(['snapshot', 'forget', name]);
      assert.equal(status, 1);
      assert.match(stderr, /^cairn: Snapshot host\/x\/\S+ is protected: .*unprotect.*\n$/);
    };
    store.cairn('snapshot', 'protect', name);
    assert.ok(existsSync(marker(store, time)));
    assert.deepEqual([isListed(), shown(store, name).protected], [true, true]);
    refused();
    store.cairn('snapshot', 'unprotect', `${GROUP}/latest`);
    assert.ok(!existsSync(marker(store, time)));
    assert.deepEqual([isListed(), shown(store, name).protected], [false, false]);
    writeFileSync(marker(store, time), '');
    assert.deepEqual([isListed(), shown(store, name).protected], [true, true]);
    refused();
    rmSync(marker(store, time));
    assert.equal(store.run(['snapshot', 'protect', `${GROUP}/2001-01-01T00:00:00Z`]).status, 3);
  });
});

test('notes are written, shown, and removed', async () => {
  await mountedAndNot((store, time) => {
    const name = `${GROUP}/${time}`;
    assert.equal(store.cairn('snapshot', 'notes', name), '');
    store.cairn('snapshot', 'notes', name, 'before the upgrade');
    assert.equal(store.cairn('snapshot', 'notes', `${GROUP}/latest`), 'before the upgrade\n');
    assert.equal(shown(store, name).notes, 'before the upgrade');
    const file = join(store.folder, 'notes.txt');
    writeFileSync(file, 'two\nlines\n');
    store.cairn('snapshot', 'notes', '--file', file, name);
    assert.deepEqual(JSON.parse(store.cairn('snapshot', 'notes', '--json', name)), { notes: 'two\nlines' });
    assert.equal(store.run(['snapshot', 'notes', '--file', file, name, 'both']).status, 2);
    store.cairn('snapshot', 'notes', name, '');
    assert.equal(shown(store, name).notes, '');
  });
});

test('show tells the figures, and what forgetting the snapshot alone frees', async () => {
  await withStore(
    (store) => {
      writeFileSync(join(current(store), 'kept'), noise('kept', 700_000));
      writeFileSync(join(current(store), 'gone'), noise('gone', 2_000_000));
      const first = snapshot(store);
      rmSync(join(current(store), 'gone'));
      const second = snapshot(store);
      const [a, b] = [shown(store, `${GROUP}/${first}`), shown(store, `${GROUP}/${second}`)] as {
        entries: number;
        chunks: { count: number; exclusive: { storedBytes: number } };
      }[];
      assert.deepEqual([a?.entries, b?.entries], [3, 2]);
      assert.ok((a?.chunks.exclusive.storedBytes ?? 0) >= 2_000_000, JSON.stringify(a));
      assert.ok((b?.chunks.exclusive.storedBytes ?? 0) < 10_000, JSON.stringify(b));
      assert.match(store.cairn('snapshot', 'show', join(store.mountpoint, GROUP, 'latest')), new RegExp(second));
    },
    { groups: [GROUP] },
  );
});

test('forget takes several, none where one is protected, and only tells with --dry-run', async () => {
  await withStore(
    async (store) => {
      const names = [0, 1, 2].map((i) => {
        writeFileSync(join(current(store), 'file'), noise(String(i), 300_000));
        return `${GROUP}/${snapshot(store)}`;
      });
      const [a, b, c] = names as [string, string, string];
      const left = (): string[] => readdirSync(join(store.mountpoint, GROUP)).filter((name) => /^\d/.test(name));
      const plan = JSON.parse(store.cairn('snapshot', 'forget', '--dry-run', '--json', a, b)) as { freedBytes: number };
      assert.ok(plan.freedBytes >= 600_000 && plan.freedBytes < 700_000, String(plan.freedBytes));
      store.cairn('snapshot', 'protect', b);
      assert.equal(store.run(['snapshot', 'forget', a, b]).status, 1);
      assert.equal(left().length, 3);
      store.cairn('snapshot', 'unprotect', b);
      assert.match(store.cairn('snapshot', 'forget', a, join(store.mountpoint, b)), /Forgot .*\nForgot .*\nGarbage/);
      assert.deepEqual(
        left().map((time) => `${GROUP}/${time}`),
        [c],
      );
      assert.equal(store.run(['snapshot', 'forget', a]).status, 3);
      await store.umount();
      store.cairn('snapshot', 'forget', c);
      assert.equal(store.cairn('snapshot', 'list'), 'No snapshots\n');
      await store.mount();
      assert.equal(readFileSync(join(current(store), 'file')).length, 300_000);
    },
    { groups: [GROUP] },
  );
});

test('rmdir of a snapshot forgets it, unless it is protected', async () => {
  await withStore(
    (store) => {
      const time = snapshot(store);
      const path = join(store.mountpoint, GROUP, time);
      store.cairn('snapshot', 'protect', path);
      hasErrno('EPERM', () => rmdirSync(path));
      store.cairn('snapshot', 'unprotect', path);
      writeFileSync(marker(store, time), '');
      hasErrno('EPERM', () => rmdirSync(path));
      rmSync(marker(store, time));
      rmdirSync(path);
      hasErrno('ENOENT', () => rmdirSync(path));
      assert.ok(!existsSync(join(store.store, GROUP, time)));
    },
    { groups: [GROUP] },
  );
});

test('what is no snapshot is refused in one line', async () => {
  await withStore(
    (store) => {
      const time = snapshot(store);
      const cases: [string[], number][] = [
        [['snapshot', 'show', 'host/x'], 2],
        [['snapshot', 'show', `${GROUP}/current`], 2],
        [['snapshot', 'show', `${GROUP}/${time}:etc`], 2],
        [['snapshot', 'show', `host/none/${time}`], 3],
        [['snapshot', 'show', join(store.mountpoint, GROUP)], 2],
        [['snapshot', 'show', '/tmp'], 2],
        [['snapshot', 'forget'], 2],
      ];
      for (const [args, code] of cases) {
        const { status, stderr } = store.run(args);
        assert.equal(status, code, `${args.join(' ')}: ${stderr}`);
        assert.match(stderr, /^cairn: [^\n]+\n$/, args.join(' '));
      }
    },
    { groups: [GROUP] },
  );
});
