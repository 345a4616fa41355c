import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { outputOf, until } from '../support/commands.js';
import { type TestStore, withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';

const GROUP = 'host/x';
const EXIT_PROBLEMS = 6;

interface Listed {
  readonly redundancy: string;
  readonly converting: boolean;
  readonly totalBytes: number;
  readonly comparedAt: number | null;
  readonly backends: readonly {
    readonly id: string;
    readonly state: string;
    readonly place: string;
    readonly pieces: number | null;
  }[];
}

interface Dependence {
  readonly chunks: number;
  readonly lost: number;
  readonly failing: readonly string[];
  readonly lostWithFailing: number;
}

function makeSource(folder: string): string {
  const source = join(folder, 'source');
  mkdirSync(join(source, 'sub'), { recursive: true });
  for (let n = 0; n < 30; n += 1) writeFileSync(join(source, 'sub', `small-${n}`), noise(`small ${n}`, 10_000 + n));
  writeFileSync(join(source, 'large'), noise('large', 5_000_000));
  return source;
}

function copyIn(store: TestStore, source: string, ...options: string[]): void {
  outputOf('rsync', ['-a', ...options, `${source}/`, join(store.mountpoint, GROUP, 'current/')]);
}

function sameAsSource(store: TestStore, source: string, tree: string): void {
  assert.equal(outputOf('rsync', ['-anci', '--delete', `${source}/`, join(store.mountpoint, GROUP, tree, '/')]), '');
}

function listed(store: TestStore): Listed {
  return JSON.parse(store.cairn('backend', 'list', '--json')) as Listed;
}

/** Files of chunks below a backend's folder. */
function chunkFilesIn(folder: string): string[] {
  return readdirSync(join(folder, '.chunks'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function spoil(folder: string): void {
  for (const path of chunkFilesIn(folder)) {
    const bytes = readFileSync(path);
    bytes[bytes.length - 9] = (bytes[bytes.length - 9] as number) ^ 0x40;
    writeFileSync(path, bytes);
  }
}

function disk(store: TestStore, name: string): string {
  return join(store.folder, name);
}

function bothSame(store: TestStore, source: string): void {
  for (const tree of ['current', 'latest']) sameAsSource(store, source, tree);
}

/** From one folder to six places, each chunk in six pieces. */
function grow(store: TestStore): void {
  const added = store.run(['backend', 'add', 'd1', disk(store, 'd1')]);
  assert.deepEqual([added.status, added.stdout], [0, 'New chunks are spread over d1 too\n']);
  assert.match(added.stderr, /^cairn: The backends local and d1 are on one file system: .* loses both\n$/);
  for (const id of ['d2', 'd3', 'd4', 'd5']) store.cairn('backend', 'add', id, disk(store, id));
  assert.match(store.run(['backend', 'add', 'd1', disk(store, 'd9')]).stderr, /already/);
  assert.match(store.run(['redundancy', 'ec:6+3']).stderr, /takes 9 backends/);
  assert.match(store.cairn('redundancy', 'ec:4+2'), /All chunks are kept as ec:4\+2/);
}

/** Waits until the record of pieces says what backends have: it is written behind. */
async function piecesAreCounted(store: TestStore): Promise<void> {
  await until('each backend has the pieces that are recorded', () =>
    listed(store).backends.every(({ place, pieces }) => pieces === chunkFilesIn(place).length + quarantinedIn(place)),
  );
}

function quarantinedIn(folder: string): number {
  const quarantine = join(folder, '.cairn/quarantine');
  if (!existsSync(quarantine)) return 0;
  return readdirSync(quarantine, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length;
}

/** What depends on a backend, whether it is there or not. */
function dependenceOn(store: TestStore, id: string): Dependence {
  return (JSON.parse(store.cairn('backend', 'show', id, '--json')) as { dependence: Dependence }).dependence;
}

function roomIsTold(store: TestStore): void {
  const { totalBytes, converting } = listed(store);
  const { bsize, blocks } = statfsSync(store.mountpoint);
  assert.ok(Math.abs(bsize * blocks - totalBytes) < totalBytes / 100, `${bsize * blocks} and ${totalBytes}`);
  assert.equal(converting, false);
}

/** One disk is not there, of another only the mountpoint. */
function loseTwo(store: TestStore): void {
  for (const id of ['d1', 'd2']) renameSync(disk(store, id), disk(store, `${id}-away`));
  mkdirSync(disk(store, 'd2'));
}

/** One comes back spoilt, the other is replaced. */
function replace(store: TestStore): void {
  spoil(disk(store, 'd1-away'));
  renameSync(disk(store, 'd1-away'), disk(store, 'd1'));
  store.cairn('backend', 'remove', '--lost', 'd2');
  store.cairn('backend', 'add', 'd6', disk(store, 'd6'));
}

function drain(store: TestStore): void {
  assert.match(store.run(['backend', 'remove', 'd5']).stderr, /empty it first/);
  store.cairn('backend', 'add', 'd7', disk(store, 'd7'));
  assert.match(store.cairn('backend', 'drain', 'd5'), /The backend d5 is empty/);
  assert.deepEqual(chunkFilesIn(disk(store, 'd5')), []);
  store.cairn('backend', 'remove', 'd5');
}

/** Though nothing was read since. */
function tellsOfTwo(store: TestStore): void {
  const { status, stdout } = store.run(['status']);
  assert.equal(status, EXIT_PROBLEMS);
  for (const id of ['d1', 'd2']) assert.match(stdout, new RegExp(`^Problem +Backend ${id} is failing`, 'm'));
}

test('a datastore gets more disks and another redundancy, and bears that disks vanish and come back spoilt', async () => {
  await withStore(
    async (store) => {
      const source = makeSource(store.folder);
      copyIn(store, source);
      store.cairn('snapshot', 'create', GROUP);
      assert.match(store.run(['backend', 'add', 'd1', disk(store, 'd1')]).stderr, /only while it is not mounted/);
      await store.umount();
      grow(store);
      await store.mount();
      writeFileSync(join(source, 'more'), noise('more', 1_000_000));
      copyIn(store, source);
      store.cairn('snapshot', 'create', GROUP);
      roomIsTold(store);
      await piecesAreCounted(store);
      assert.match(store.cairn('metrics'), /^cairn_backend_pieces\{backend="d1"\} [1-9]/m);
      assert.match(store.cairn('metrics'), /^cairn_backend_pieces_written_total\{backend="d1"\} [1-9]/m);

      loseTwo(store);
      store.log.expect(/./);
      await store.umount();
      tellsOfTwo(store);
      await store.mount();
      tellsOfTwo(store);
      bothSame(store, source);
      const failing = listed(store).backends.filter(({ state }) => state === 'failing');
      assert.deepEqual(
        failing.map(({ id }) => id),
        ['d1', 'd2'],
      );
      const { chunks, lost, failing: gone, lostWithFailing } = dependenceOn(store, 'd3');
      assert.deepEqual([lost, gone, lostWithFailing], [0, ['d1', 'd2'], chunks]);
      assert.equal(dependenceOn(store, 'd1').lostWithFailing, 0);

      replace(store);
      const repaired = store.run(['repair']);
      assert.equal(repaired.status, 0, repaired.stdout + repaired.stderr);
      assert.match(repaired.stdout, /mended, 0 still lack pieces, 0 lost, 0 missing/);

      drain(store);
      store.cairn('gc', '--grace', '0');
      store.cairn('check', '--deep');
      assert.match(store.cairn('repair', '--dry-run'), /: (\d+) whole, 0 lack pieces, 0 lost, 0 missing/);
      await piecesAreCounted(store);
      assert.notEqual(listed(store).comparedAt, null);
      await store.remount();
      bothSame(store, source);
      assert.deepEqual(store.status().problems, []);
      rmSync(chunkFilesIn(disk(store, 'd3'))[0] as string);
      assert.match(
        store.run(['repair', '--dry-run']).stdout,
        /is missing on d3\nd3 lacks 1 pieces that were put there\n/,
      );
      assert.match(store.cairn('repair'), /is missing on d3\nd3 lacks 1 pieces/);
      assert.doesNotMatch(store.cairn('repair', '--dry-run'), /lacks/);
    },
    { groups: [GROUP] },
  );
});

test('a group may ask for more redundancy, and its new snapshots get it', async () => {
  const init = ['--redundancy', 'mirror:2', '--backend'];
  const disks = mkdtempSync(join(tmpdir(), 'cairn-disks-'));
  const ids = ['a', 'b', 'c', 'd'];
  /** How many chunks have so many pieces. */
  const chunksWith = (pieces: number): number => {
    const names = ids.flatMap((id) => chunkFilesIn(join(disks, id))).map((path) => path.slice(-64));
    return names.filter((name) => names.filter((other) => other === name).length === pieces).length / pieces;
  };
  try {
    await withStore(
      async (store) => {
        const source = makeSource(store.folder);
        copyIn(store, source);
        store.cairn('snapshot', 'create', GROUP);
        assert.equal(chunksWith(4), 0);
        assert.match(
          store.run(['redundancy', 'single', '--group', GROUP]).stderr,
          /bears no more losses than mirror:2/,
        );
        assert.match(store.run(['redundancy', 'ec:4+2', '--group', GROUP]).stderr, /takes 6 backends/);
        store.cairn('redundancy', 'ec:2+2', '--group', GROUP);
        const raised = chunksWith(4);
        assert.ok(raised > 0);
        assert.match(store.cairn('redundancy'), /^mirror:2\nhost\/x: ec:2\+2\n$/);
        writeFileSync(join(source, 'more'), noise('more', 1_000_000));
        copyIn(store, source);
        store.cairn('snapshot', 'create', GROUP);
        const runs = join(store.store, '.cairn/schedule-state.json');
        await until('the new chunks have the redundancy of the group', () => existsSync(runs));
        assert.match(
          readFileSync(runs, 'utf8'),
          /"outcome": "done",\s*"message": "gave \d+ chunks the redundancy of host\/x"/,
        );
        assert.ok(chunksWith(4) > raised);
        for (const id of ['a', 'b']) renameSync(join(disks, id), join(disks, `${id}-away`));
        store.log.expect(/./);
        await store.remount();
        sameAsSource(store, source, 'latest');
        for (const id of ['a', 'b']) renameSync(join(disks, `${id}-away`), join(disks, id));
        await store.remount();
        store.cairn('redundancy', 'default', '--group', GROUP);
        assert.equal(chunksWith(4), 0);
        assert.match(store.run(['redundancy', 'default', '--group', GROUP]).stderr, /has no redundancy of its own/);
        store.cairn('redundancy', 'mirror:3', '--group', GROUP, '--later');
        store.cairn('redundancy', 'mirror:4');
        assert.equal(store.cairn('redundancy'), 'mirror:4\n');
        bothSame(store, source);
      },
      { groups: [GROUP], init: [...init, ...ids.map((id) => `${id}=${join(disks, id)}`), '--'] },
    );
  } finally {
    rmSync(disks, { recursive: true, force: true });
  }
});

test('snapshots are brought back from the backends where the folder has lost all it had', async () => {
  const disks = mkdtempSync(join(tmpdir(), 'cairn-disks-'));
  const places = ['a', 'b', 'c', 'd'].map((id) => `${id}=${join(disks, id)}`);
  const init = ['--redundancy', 'ec:2+1', '--backend', ...places, '--'];
  try {
    await withStore(
      async (store) => {
        const source = makeSource(store.folder);
        copyIn(store, source);
        store.cairn('snapshot', 'create', GROUP);
        store.cairn('repair');
        await store.umount();
        for (const name of ['host', '.cairn/catalog.db', '.cairn/catalog-copies', '.cairn/journal']) {
          rmSync(join(store.store, name), { recursive: true });
        }
        mkdirSync(join(store.store, '.cairn/journal'));
        rmSync(join(disks, 'b'), { recursive: true });
        const rebuilt = store.run(['repair', '--rebuild-catalog', '--yes']);
        assert.equal(rebuilt.status, 0, rebuilt.stderr + rebuilt.stdout);
        store.log.expect(/./);
        await store.mount();
        bothSame(store, source);
      },
      { init, groups: [GROUP] },
    );
  } finally {
    rmSync(disks, { recursive: true, force: true });
  }
});
