import assert from 'node:assert/strict';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { chunkFiles } from '../support/check-chunks.js';
import { outputOf } from '../support/commands.js';
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
    store.cairn('sync');
  });
});

test('damaged chunks are healed from a folder that still has the files, once asked to', async () => {
  await withDamage((store, source, digests) => {
    const planned = asked<{ chunks: { outcome: string }[] }>(store, 'repair', '--from', source, '--dry-run');
    assert.deepEqual([...new Set(planned.chunks.map(({ outcome }) => outcome))], ['would-heal']);
    hasErrno('EIO', () => readFileSync(join(store.mountpoint, GROUP, 'latest/large')));
    const repaired = asked<{ chunks: { outcome: string }[] }>(store, 'repair', '--from', source);
    assert.deepEqual([repaired.exit, repaired.chunks.length], [0, digests.length]);
  });
});
