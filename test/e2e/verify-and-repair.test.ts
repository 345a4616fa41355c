import assert from 'node:assert/strict';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { chunkFiles } from '../support/check-chunks.js';
import { outputOf, until } from '../support/commands.js';
import { hasErrno } from '../support/errno.js';
import { type TestStore, withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';

const GROUP = 'host/x';
const EXIT_PROBLEMS = 6;

interface Damaged {
  readonly digest: string;
  readonly condition: string;
  readonly files: readonly string[];
}

/** A tree with small files in packs and a large one, of bytes that do not compress. */
function makeSource(folder: string): string {
  const source = join(folder, 'source');
  mkdirSync(join(source, 'sub'), { recursive: true });
  for (let n = 0; n < 40; n++) writeFileSync(join(source, 'sub', `small-${n}`), noise(`small ${n}`, 10_000 + n));
  writeFileSync(join(source, 'large'), noise('large', 6_000_000));
  return source;
}

function copyIn(store: TestStore, source: string, ...options: string[]): void {
  outputOf('rsync', ['-a', ...options, `${source}/`, join(store.mountpoint, GROUP, 'current/')]);
}

/** Runs a command that answers in JSON; its exit code is in the answer. */
function asked<T>(store: TestStore, ...args: string[]): T & { exit: number | null } {
  const { status, stdout, stderr } = store.run([...args, '--json']);
  assert.notEqual(stdout, '', stderr);
  return { ...(JSON.parse(stdout) as T), exit: status };
}

/** The files of data chunks: those of the standing chunks and the metadata are shorter. */
function dataChunks(store: TestStore): string[] {
  return chunkFiles(store.store)
    .filter((path) => readFileSync(path).length > 50_000)
    .sort();
}

function flipByte(path: string): void {
  const at = 5000;
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.from([(readFileSync(path)[at] as number) ^ 0x40]), 0, 1, at);
  closeSync(file);
}

const DAMAGES: readonly ((path: string) => void)[] = [
  (path) => rmSync(path),
  (path) => truncateSync(path, 1000),
  (path) => writeFileSync(path, Buffer.alloc(readFileSync(path).length)),
  flipByte,
];

/** Damages data chunks in all ways in turn and says which. */
function damageAll(store: TestStore): string[] {
  const paths = dataChunks(store);
  assert.ok(paths.length >= 6, `${paths.length} data chunks`);
  for (const [n, path] of paths.entries()) (DAMAGES[n % DAMAGES.length] as (path: string) => void)(path);
  return paths.map((path) => path.slice(-64));
}

function sameAsSource(store: TestStore, source: string, tree: string): void {
  assert.equal(outputOf('rsync', ['-anci', '--delete', `${source}/`, join(store.mountpoint, GROUP, tree, '/')]), '');
}

/** Damages the large file's chunks and says how many. */
function damageLarge(store: TestStore): number {
  const paths = dataChunks(store).filter((path) => readFileSync(path).length > 500_000);
  for (const path of paths) flipByte(path);
  return paths.length;
}

async function withDamage(
  heal: (store: TestStore, source: string, digests: readonly string[]) => Promise<void> | void,
): Promise<void> {
  await withStore(
    async (store) => {
      const source = makeSource(store.folder);
      copyIn(store, source);
      store.cairn('snapshot', 'create', GROUP);
      // What is decoded in the daemon's memory could still be read.
      await store.remount();
      const digests = damageAll(store);
      store.log.expect(/Chunk [0-9a-f]{16}|A READ request failed/);
      const found = asked<{ damaged: Damaged[] }>(store, 'verify', '--all');
      assert.equal(found.exit, EXIT_PROBLEMS);
      assert.deepEqual(found.damaged.map(({ digest }) => digest).sort(), digests.toSorted());
      const named = new Set(found.damaged.flatMap(({ files }) => files));
      const snapshot = store.latest(GROUP).slice(store.mountpoint.length + 1);
      for (const tree of [`${GROUP}/current`, snapshot]) {
        assert.ok(named.has(`${tree}/large`), [...named].join('\n'));
        for (let n = 0; n < 40; n++) assert.ok(named.has(`${tree}/sub/small-${n}`));
      }
      assert.equal(named.size, 82);
      hasErrno('EIO', () => readFileSync(join(store.mountpoint, GROUP, 'current/large')));
      assert.equal(store.run(['status']).status, EXIT_PROBLEMS);
      await heal(store, source, digests);
      const clean = asked<{ damaged: Damaged[] }>(store, 'verify', '--all');
      assert.deepEqual([clean.exit, clean.damaged], [0, []]);
      for (const tree of ['current', 'latest']) sameAsSource(store, source, tree);
      assert.deepEqual(store.status().problems, []);
      assert.equal(store.run(['check', '--deep']).status, 0, store.run(['check', '--deep']).stdout);
      assert.equal(store.run(['verify', GROUP]).status, 0);
    },
    { groups: [GROUP] },
  );
}

test('damaged chunks are found, named by path, and healed by writing the files again', async () => {
  await withDamage(async (store, source) => {
    copyIn(store, source, '-I');
    store.cairn('check');
    store.cairn('sync');
  });
});

test('damaged chunks are healed from a folder that still has the files, once asked to', async () => {
  await withDamage((store, source, digests) => {
    const planned = asked<{ chunks: { outcome: string }[] }>(store, 'repair', '--from', source, '--dry-run');
    assert.deepEqual([...new Set(planned.chunks.map(({ outcome }) => outcome))], ['would-heal']);
    hasErrno('EIO', () => readFileSync(join(store.mountpoint, GROUP, 'latest/large')));
    const own = store.run(['repair', '--from', join(store.mountpoint, GROUP, 'current')]);
    assert.match(own.stderr, /in a mount of the datastore/);
    const repaired = asked<{ chunks: { outcome: string }[] }>(store, 'repair', '--from', source);
    assert.deepEqual([repaired.exit, repaired.chunks.length], [0, digests.length]);
  });
});

test('a damaged index file of a snapshot is found by every verification, and named until it was put back', async () => {
  await withStore(
    async (store) => {
      copyIn(store, makeSource(store.folder));
      store.cairn('snapshot', 'create', GROUP);
      const name = store.latest(GROUP).slice(store.mountpoint.length + 1);
      const index = join(store.store, name, 'root.ppxar.didx');
      const kept = readFileSync(index);
      const spoilt = Buffer.from(kept);
      spoilt.fill(0xa5, 4096, 4104);
      writeFileSync(index, spoilt);
      store.log.expect(/Snapshot host\/x\/\S+ is damaged|Scheduled verify failed: Damaged: 1 snapshots;/);
      const job = store.run(['schedule', 'run', 'verify']);
      assert.match(job.stdout + job.stderr, /1 snapshots/);
      const found = store.run(['verify', '--all']);
      assert.equal(found.status, EXIT_PROBLEMS, found.stdout);
      assert.match(found.stdout, new RegExp(`${name}: root\\.ppxar\\.didx: `));
      const status = store.run(['status']);
      assert.equal(status.status, EXIT_PROBLEMS);
      assert.match(status.stdout, new RegExp(`Problem +Snapshot ${name} failed`));
      const repair = store.run(['repair']);
      assert.equal(repair.status, EXIT_PROBLEMS);
      assert.match(repair.stdout, /put them back from a copy of the datastore, or forget the snapshot/);
      writeFileSync(index, kept);
      assert.match(store.run(['repair']).stdout, new RegExp(`run "cairn verify ${name}"`));
      store.cairn('verify', name);
      store.cairn('schedule', 'run', 'verify');
      assert.deepEqual(store.status().problems, []);
    },
    { groups: [GROUP] },
  );
});

test('a reader who meets a damaged chunk gets EIO, and status then names the path', async () => {
  await withStore(
    async (store) => {
      const source = makeSource(store.folder);
      copyIn(store, source);
      await store.remount();
      // Small files may be packed into a new chunk in between.
      await until('all chunks to be verified', () => {
        assert.deepEqual(asked<{ exit: number }>(store, 'verify', '--all').exit, 0);
        return Number(store.status().oldestVerifiedAt) > 0;
      });
      assert.ok(damageLarge(store) > 0);
      store.log.expect(/Chunk [0-9a-f]{16}|A READ request failed/);
      hasErrno('EIO', () => readFileSync(join(store.mountpoint, GROUP, 'current/large')));
      await until('a problem that names the file', () => {
        const { problems } = asked<{ problems: { message: string }[] }>(store, 'status');
        return problems.some(({ message }) => message.includes(`${GROUP}/current/large`));
      });
      // A chunk of the right length that nobody has read since is still taken for good.
      assert.equal(asked<{ exit: number }>(store, 'verify', '--all').exit, EXIT_PROBLEMS);
      copyIn(store, source, '-I');
      sameAsSource(store, source, 'current');
      assert.equal(asked<{ exit: number }>(store, 'verify', '--all').exit, 0);
    },
    { groups: [GROUP] },
  );
});

test('damage that a restore meets is known from then on, so that the next backup stores the chunk anew', async () => {
  await withStore(
    async (store) => {
      const source = makeSource(store.folder);
      store.cairn('backup', source, GROUP);
      const target = join(store.folder, 'restored');
      const [chunk = ''] = dataChunks(store).filter((path) => readFileSync(path).length > 500_000);
      store.log.expect(new RegExp(`Chunk ${chunk.slice(-64, -48)}`));
      for (const mounted of [true, false]) {
        if (!mounted) await store.umount();
        flipByte(chunk);
        const restored = store.run(['restore', `${GROUP}/latest:large`, target]);
        assert.equal(restored.status, 1, restored.stderr);
        assert.match(restored.stderr, /1 chunks are damaged: "cairn repair" names/);
        assert.match(store.run(['status']).stdout, /Problem +(Chunk \S+ is corrupt|1 chunks are damaged)/);
        store.cairn('backup', source, GROUP);
        assert.equal(store.run(['verify', '--all']).status, 0);
        store.cairn('restore', `${GROUP}/latest:large`, target);
        rmSync(target);
      }
      await store.mount('--read-only');
      flipByte(chunk);
      assert.match(store.run(['restore', `${GROUP}/latest:large`, target]).stderr, /cannot be noted.*"cairn verify"/);
      flipByte(chunk);
    },
    { groups: [GROUP] },
  );
});

test('a store that is not mounted is verified, checked, repaired and tried by restoring', async () => {
  await withStore(
    async (store) => {
      const source = makeSource(store.folder);
      copyIn(store, source);
      store.cairn('snapshot', 'create', GROUP);
      const latest = store.latest(GROUP).slice(store.mountpoint.length + 1);
      await store.umount();
      assert.match(store.cairn('verify'), /none damaged/);
      assert.match(
        store.cairn('verify', '--restore', '5', '--seed', '7'),
        /Restored 5 files.*--seed 7.*as they should/,
      );
      assert.match(store.cairn('check', '--deep'), /No damage found/);
      assert.match(store.cairn('verify', latest), /: ok/);
      const count = damageLarge(store);
      const found = store.run(['verify', '--all', '--rate', '1000']);
      assert.deepEqual([found.status, found.stderr], [EXIT_PROBLEMS, '']);
      assert.match(found.stdout, new RegExp(`${latest}/large`));
      assert.equal(store.run(['check']).status, EXIT_PROBLEMS);
      assert.equal(store.run(['repair']).status, EXIT_PROBLEMS);
      assert.match(store.cairn('repair', '--from', source), new RegExp(`${count} of ${count} damaged chunks healed`));
      assert.match(store.cairn('verify', GROUP), /: ok/);
      const bad = store.run(['verify', '--rate', 'fast']);
      assert.deepEqual([bad.status, bad.stderr.split('\n').length], [2, 2]);
      await store.mount();
      sameAsSource(store, source, 'latest');
    },
    { groups: [GROUP], init: ['--verify-new'] },
  );
});

test('a snapshot that was removed by hand is no damage once the store is mounted anew', async () => {
  await withStore(
    async (store) => {
      store.cairn('snapshot', 'create', GROUP);
      const [snapshot] = readdirSync(join(store.store, GROUP)).filter((name) => name !== 'owner');
      await store.umount();
      rmSync(join(store.store, GROUP, snapshot as string), { recursive: true });
      store.log.expect(/was removed by somebody else/);
      await store.mount();
      assert.match(store.cairn('check'), /No damage found/);
    },
    { groups: [GROUP] },
  );
});
