import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { UnmountedStatus } from '../../src/daemon/unmounted-status.js';
import { isRunning, outputOf, runCommand, until } from '../support/commands.js';
import { type TestStore, withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';

const GROUP = 'host/x';
const MIB = 1024 * 1024;
const TIME = /^\d{4}-/;

const currentOf = (store: TestStore): string => join(store.mountpoint, GROUP, 'current');

function json<T>(store: TestStore, ...args: string[]): T {
  return JSON.parse(store.cairn(...args, '--json')) as T;
}

const snapshot = (store: TestStore): string => json<{ time: string }>(store, 'snapshot', 'create', GROUP).time;

/** The group's snapshots, on disk. */
const onDisk = (store: TestStore): string[] =>
  readdirSync(join(store.store, GROUP))
    .filter((name) => TIME.test(name))
    .sort();

interface Entry {
  readonly kind: string;
  readonly time: string | null;
  readonly uniqueBytes: number;
  readonly exclusiveBytes: number;
}

interface Pruned {
  readonly removed: number;
  readonly freedBytes: number;
  readonly groups: readonly {
    readonly group: string;
    readonly snapshots: readonly { keep: boolean; reason: string }[];
  }[];
}

/** The same commands where nobody serves the store; snapshots 0, 2 and 3 are left. */
function checkUnmounted(store: TestStore, times: readonly string[]): void {
  const left = [times[0], times[2], times[3]];
  const unmounted = json<{ entries: Entry[] }>(store, 'df', GROUP).entries;
  assert.deepEqual(
    unmounted.map(({ kind, time }) => time ?? kind),
    ['group', 'live', ...left],
  );
  // What others left unfinished goes, too.
  mkdirSync(join(store.store, GROUP, '2001-01-01T00:00:00Z'));
  store.cairn('policy', 'set', GROUP, '--keep-last', '1');
  assert.match(store.cairn('prune', '--dry-run'), /2001-01-01T00:00:00Z +remove +unfinished/);
  assert.match(store.cairn('prune'), /Removed 2 snapshots; garbage collection can now free/);
  assert.deepEqual(onDisk(store), [times[0], times[3]]);
  store.cairn('policy', 'unset', GROUP);
  assert.match(store.cairn('prune'), /No group has a policy/);
}

test('df and prune say and do the same on a mount and without one', async () => {
  await withStore(
    async (store) => {
      writeFileSync(join(currentOf(store), 'stays'), noise('stays', MIB));
      const times: string[] = [];
      for (const name of ['a', 'b', 'c', 'd']) {
        writeFileSync(join(currentOf(store), 'changes'), noise(name, MIB));
        times.push(snapshot(store));
      }
      rmSync(join(currentOf(store), 'changes'));
      store.cairn('snapshot', 'protect', `${GROUP}/${times[0]}`);
      const entries = json<{ entries: Entry[] }>(store, 'df', GROUP).entries;
      assert.deepEqual(
        entries.map(({ kind, time }) => time ?? kind),
        ['group', 'live', ...times],
      );
      const [only] = json<{ entries: Entry[] }>(store, 'df', `${store.mountpoint}/${GROUP}/${times[1]}`).entries;
      assert.ok(only !== undefined);
      assert.equal(only.time, times[1]);
      assert.ok(only.exclusiveBytes >= MIB && only.exclusiveBytes < 1.1 * MIB);
      assert.match(store.cairn('df'), /^everything .*\nhost\/x .*\n {2}current /m);
      assert.equal(store.run(['df', 'host/nothing']).status, 3);

      const plan = json<Pruned>(store, 'prune', '--dry-run', '--keep-last', '1', GROUP);
      assert.deepEqual(
        plan.groups[0]?.snapshots.map(({ reason }) => reason),
        ['last', 'not covered', 'not covered', 'protected'],
      );
      assert.equal(plan.removed, 0);
      assert.deepEqual(onDisk(store), times);
      assert.match(store.run(['prune', GROUP]).stderr, /no policy/);
      assert.equal(store.run(['prune', '--keep-last', '0', GROUP]).status, 2);
      store.cairn('policy', 'set', GROUP, '--keep-last', '2');
      assert.deepEqual(json(store, 'policy', 'show'), [{ group: GROUP, keep: { last: 2 } }]);
      const pruned = json<Pruned>(store, 'prune');
      assert.equal(pruned.removed, 1);
      assert.ok(pruned.freedBytes >= MIB && pruned.freedBytes < 1.1 * MIB);
      const left = [times[0], times[2], times[3]];
      assert.deepEqual(onDisk(store), left);
      assert.deepEqual(
        readdirSync(join(store.mountpoint, GROUP))
          .filter((name) => TIME.test(name))
          .sort(),
        left,
      );

      await store.umount();
      checkUnmounted(store, times);
      await store.mount();
    },
    { groups: [GROUP] },
  );
});

test('user.cairn.* tells what files and folders take, and is never listed nor set', async () => {
  await withStore(
    async (store) => {
      const current = currentOf(store);
      const content = noise('large', 3 * MIB);
      writeFileSync(join(current, 'large'), content);
      writeFileSync(join(current, 'twice'), Buffer.concat([content, content]));
      writeFileSync(join(current, 'small'), 'a few bytes');
      const latest = join(store.mountpoint, GROUP, snapshot(store));
      const get = (path: string, name: string) =>
        outputOf('getfattr', ['--only-values', '-n', `user.cairn.${name}`, path]);
      for (const folder of [current, latest]) {
        const size = (name: string, what: string) => Number(get(join(folder, name), what));
        assert.deepEqual([size('large', 'logical-size'), size('twice', 'logical-size')], [3 * MIB, 6 * MIB]);
        assert.equal(size('large', 'unique-size'), 3 * MIB);
        assert.ok(size('twice', 'unique-size') < 5 * MIB);
        assert.ok(size('large', 'stored-size') > 3 * MIB && size('large', 'stored-size') < 3.1 * MIB);
        assert.deepEqual([size('small', 'unique-size'), size('small', 'chunk-count')], [11, 1]);
        const lines = get(join(folder, 'large'), 'chunk-list').trimEnd().split('\n');
        assert.equal(lines.length, size('large', 'chunk-count'));
        let at = 0;
        for (const line of lines) {
          const [offset, length, digest] = line.split(' ');
          assert.equal(Number(offset), at);
          const plain = content.subarray(at, at + Number(length));
          assert.equal(digest, createHash('sha256').update(plain).digest('hex'));
          at += Number(length);
        }
        assert.equal(at, 3 * MIB);
      }
      for (const folder of [store.mountpoint, join(store.mountpoint, GROUP), current, latest]) {
        assert.ok(Number(get(folder, 'unique-size')) >= 3 * MIB, folder);
        assert.match(get(folder, 'exclusive-size'), /^\d+$/);
      }
      assert.match(runCommand('getfattr', ['-n', 'user.cairn.nothing', current]).stderr, /No such attribute/);
      assert.match(runCommand('getfattr', ['-n', 'user.cairn.chunk-list', current]).stderr, /No such attribute/);
      assert.match(runCommand('setfattr', ['-n', 'user.cairn.x', '-v', '1', current]).stderr, /not supported/);
      assert.equal(outputOf('getfattr', ['-d', '-m', '-', join(current, 'large'), join(latest, 'large')]), '');
    },
    { groups: [GROUP] },
  );
});

test('jobs run when asked, snapshots only where something changed, and failures show', async () => {
  await withStore(
    async (store) => {
      const { size } = new Set(['gc', 'verify', 'prune', 'drill', `snapshot ${GROUP}`]);
      store.cairn('schedule', 'set', 'snapshot', '0 0 1 1 *', '--group', GROUP);
      assert.equal(json<unknown[]>(store, 'schedule', 'list').length, size);
      const run = (...args: string[]) => store.run(['schedule', 'run', ...args]).stdout;
      writeFileSync(join(currentOf(store), 'file'), 'first');
      assert.match(run('snapshot', '--group', GROUP), /done: made/);
      assert.match(run('snapshot', '--group', GROUP), /skipped: nothing changed/);
      // Also after a remount; a change of nothing but a name counts.
      await store.remount();
      assert.match(run('snapshot', '--group', GROUP), /skipped: nothing changed/);
      renameSync(join(currentOf(store), 'file'), join(currentOf(store), 'renamed'));
      assert.match(run('snapshot', '--group', GROUP), /done: made/);
      assert.match(run('gc'), /done: freed/);
      assert.match(run('verify'), /done: verified/);
      assert.match(run('drill'), /done: restored and compared 20 files/);

      const facts = join(store.folder, 'facts');
      store.cairn('schedule', 'on-failure', `cat > ${facts}`);
      store.log.expect(/Scheduled prune failed/);
      assert.match(run('prune', '--group', GROUP), /failed: .*no policy/);
      const { job, outcome } = JSON.parse(readFileSync(facts, 'utf8')) as { job: string; outcome: string };
      assert.deepEqual([job, outcome], ['prune', 'failed']);
      assert.equal(store.run(['status']).status, 6);
      await store.umount();
      const unmounted = store.run(['status', '--json']);
      assert.equal(unmounted.status, 6, 'also where no daemon runs');
      const { oldestVerifiedAt, schedule } = JSON.parse(unmounted.stdout) as UnmountedStatus;
      assert.ok(Number(oldestVerifiedAt) > 0);
      const outcomes = schedule.map(({ job, last }) => `${job} ${last?.outcome}`);
      assert.deepEqual(outcomes, ['gc done', 'verify done', 'prune failed', 'drill done', 'snapshot done']);
      await store.mount();

      store.cairn('policy', 'set', GROUP, '--keep-last', '1');
      const made = snapshot(store);
      await until('snapshots to be pruned after one was made', () => onDisk(store).join() === made);
      await until('the problem to go', () => store.run(['status']).status === 0);
      assert.equal(store.run(['schedule', 'set', 'gc', 'sometimes']).status, 2);
      store.cairn('schedule', 'unset', 'snapshot', '--group', GROUP);
    },
    { groups: [GROUP] },
  );
});

test('a mount has a command for failures of its own, in the foreground and in the background', async () => {
  await withStore(
    async (store) => {
      const [own, stored] = [join(store.folder, 'own'), join(store.folder, 'stored')];
      store.cairn('schedule', 'on-failure', `touch ${stored}`);
      const failAndTell = () => {
        assert.match(store.run(['schedule', 'run', 'prune', '--group', GROUP]).stdout, /failed: .*no policy/);
        assert.equal((JSON.parse(readFileSync(own, 'utf8')) as { job: string }).job, 'prune');
        rmSync(own);
        assert.ok(!existsSync(stored), 'the stored command was run, too');
      };
      store.log.expect(/Scheduled prune failed/);
      await store.remount('--on-failure', `cat > ${own}`);
      failAndTell();
      await store.umount();
      store.cairn('mount', '--daemon', '--on-failure', `cat > ${own}`, store.store, store.mountpoint);
      const { pid } = JSON.parse(store.run(['status', '--json']).stdout) as { pid: number };
      try {
        failAndTell();
      } finally {
        store.cairn('umount', store.mountpoint);
      }
      await until('the daemon to end', () => !isRunning(pid));
    },
    { groups: [GROUP] },
  );
});
