import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { GcReport, GcStatus } from '../../src/control/gc-commands.js';
import { checkAllChunks } from '../support/check-chunks.js';
import { outputLater, until } from '../support/commands.js';
import { assertSameTree } from '../support/compare-trees.js';
import { bytesBelow, chunksOnDisk } from '../support/gc.js';
import { MAIN, type TestStore, withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';

const GROUP = 'host/x';
const NOTHING = { chunks: 0, bytes: 0 };
const EXIT_FAILED_BUSY = 4;
const EXIT_PROBLEMS = 6;

const currentOf = (store: TestStore): string => join(store.mountpoint, GROUP, 'current');
const gc = (store: TestStore, ...args: string[]): GcReport => JSON.parse(store.cairn('gc', '--json', ...args));

/** Small files, and a large one. */
function fill(folder: string, seed: string, files: number): void {
  mkdirSync(folder, { recursive: true });
  for (let n = 0; n < files; n++)
    writeFileSync(join(folder, `small-${n}`), noise(`${seed} ${n}`, 500 + ((n * 37) % 8000)));
  writeFileSync(join(folder, 'large'), noise(seed, 6_000_000));
}

const withGroup = (body: (store: TestStore) => Promise<void> | void): Promise<void> =>
  withStore(body, { groups: [GROUP] });

test('what was deleted and forgotten gives its space back, mounted or not', async () => {
  await withGroup(async (store) => {
    const current = currentOf(store);
    fill(join(current, 'kept'), 'kept', 300);
    store.cairn('sync');
    const { time } = JSON.parse(store.cairn('snapshot', 'create', '--json', GROUP)) as { time: string };
    const before = bytesBelow(join(store.store, '.chunks'));
    fill(join(current, 'gone'), 'gone', 300);
    const second = JSON.parse(store.cairn('snapshot', 'create', '--json', GROUP)) as { time: string };
    rmSync(join(current, 'gone'), { recursive: true });
    assert.deepEqual(gc(store).removed, NOTHING, 'the snapshot keeps it');
    rmdirSync(join(store.mountpoint, GROUP, second.time));
    const planned = gc(store, '--dry-run', '--grace', '0').plan;
    assert.ok(planned.freesBytes > 6_000_000);
    const whole = bytesBelow(store.store);
    const { removed, freed } = gc(store);
    assert.deepEqual([removed.bytes, freed], [planned.freesBytes, NOTHING]);
    assert.match(store.cairn('gc', 'status'), new RegExp(`Quarantine +${removed.chunks} chunks`));
    await store.umount();
    assert.equal(gc(store, '--grace', '0').freed.bytes, planned.freesBytes);
    assert.ok(bytesBelow(store.store) < whole - planned.freesBytes + 1_000_000);
    assert.ok(bytesBelow(join(store.store, '.chunks')) <= before);
    await store.mount();
    for (const folder of [join(current, 'kept'), join(store.mountpoint, GROUP, time, 'kept')]) {
      assert.deepEqual(readFileSync(join(folder, 'large')), noise('kept', 6_000_000));
      assert.deepEqual(readFileSync(join(folder, 'small-7')), noise('kept 7', 500 + 7 * 37));
    }
    assert.equal(gc(store, '--full').plan.stray.chunks, 0);
    checkAllChunks(store.store);
  });
});

test('of small files deleted at random little more stays than what remains', async () => {
  await withGroup(async (store) => {
    const standing = bytesBelow(join(store.store, '.chunks'));
    const current = currentOf(store);
    for (let n = 0; n < 2000; n++) writeFileSync(join(current, `${n}`), noise(`${n}`, 3000));
    store.cairn('sync');
    for (let n = 0; n < 2000; n++) if ((n * 7919) % 10 !== 0) unlinkSync(join(current, `${n}`));
    gc(store, '--grace', '0');
    const left = bytesBelow(join(store.store, '.chunks')) - standing;
    assert.ok(left <= 1.5 * 200 * 3000, `${left} bytes for ${200 * 3000}`);
    for (const name of readdirSync(current)) assert.deepEqual(readFileSync(join(current, name)), noise(name, 3000));
  });
});

test('an unreadable index file stops a collection, says so, and quarantined chunks come back when asked', async () => {
  await withGroup(async (store) => {
    fill(join(currentOf(store), 'gone'), 'gone', 3);
    store.cairn('sync');
    rmSync(join(currentOf(store), 'gone'), { recursive: true });
    const { removed } = gc(store);
    assert.ok(removed.chunks > 0);
    mkdirSync(join(store.store, 'vm/100/2026-01-01T00:00:00Z'), { recursive: true });
    const odd = join(store.store, 'vm/100/2026-01-01T00:00:00Z/disk.img.fidx');
    writeFileSync(odd, '');
    const stopped = store.run(['gc']);
    assert.equal(stopped.status, EXIT_FAILED_BUSY);
    assert.match(stopped.stderr, /^cairn: Nothing was removed: .*disk\.img\.fidx.*\n$/);
    assert.equal(store.run(['gc', '--dry-run']).status, EXIT_PROBLEMS);
    const status = store.run(['status']);
    assert.equal(status.status, EXIT_PROBLEMS);
    assert.match(status.stdout, /Problem +The last collection failed: .*disk\.img\.fidx/);
    unlinkSync(odd);
    assert.match(store.cairn('gc', 'undelete', '--all'), new RegExp(`Brought back ${removed.chunks} chunks`));
    assert.deepEqual(gc(store).removed, removed, 'nothing names them');
    assert.equal(store.run(['status']).status, 0);
    assert.equal((JSON.parse(store.cairn('gc', 'status', '--json')) as GcStatus).last?.error, null);
  });
});

test('collections while rsync writes and deletes take nothing that is needed', async () => {
  await withGroup(async (store) => {
    const source = join(store.folder, 'source');
    fill(join(source, 'a'), 'first', 800);
    fill(join(source, 'b'), 'second', 800);
    const target = `${currentOf(store)}/`;
    const rsync = async (): Promise<void> => {
      await outputLater('rsync', ['-aHAX', '--delete', '--modify-window=-1', `${source}/`, target]);
    };
    await rsync();
    rmSync(join(source, 'a'), { recursive: true });
    fill(join(source, 'c'), 'first', 800);
    fill(join(source, 'd'), 'third', 800);
    let writing = true;
    const written = rsync().finally(() => {
      writing = false;
    });
    let collections = 0;
    for (; writing || collections < 2; collections++) {
      await outputLater(process.execPath, [MAIN, 'gc', '--store', store.store, '--grace', '0']);
    }
    await written;
    assertSameTree(source, target);
    await store.remount();
    assertSameTree(source, target);
    checkAllChunks(store.store);
  });
});

test('a daemon killed in a sweep leaves nothing that the next collection does not take', async () => {
  await withGroup(async (store) => {
    const source = join(store.folder, 'source');
    fill(source, 'kept', 500);
    fill(join(currentOf(store), 'gone'), 'gone', 500);
    await outputLater('rsync', ['-a', '--modify-window=-1', `${source}/`, join(currentOf(store), 'kept')]);
    store.cairn('snapshot', 'create', GROUP);
    store.cairn('sync');
    const needed = chunksOnDisk(store.store);
    const strays = Array.from({ length: 6000 }, (_, n) => {
      const name = noise(`stray ${n}`, 32).toString('hex');
      return join(store.store, '.chunks', name.slice(0, 2), name);
    });
    for (const path of strays) writeFileSync(path, 'a stray');
    const collecting = spawn(process.execPath, [MAIN, 'gc', '--store', store.store, '--grace', '0'], {
      stdio: 'ignore',
    });
    const ended = once(collecting, 'exit');
    // Few are asked for, so that the kill comes soon after the sweep's begin.
    const some = strays.filter((_, n) => n % 50 === 0);
    await until('the sweep', () => !some.every((path) => existsSync(path)), 60_000);
    await store.kill9();
    await ended;
    assert.ok(chunksOnDisk(store.store).length > needed.length, 'it was killed in the middle');
    await store.mount();
    gc(store, '--grace', '0');
    assert.deepEqual(chunksOnDisk(store.store), needed);
    assertSameTree(source, join(store.latest(GROUP), 'kept'));
    assertSameTree(source, join(currentOf(store), 'kept'));
    const { plan } = gc(store, '--full', '--dry-run');
    assert.deepEqual([plan.unreferenced, plan.stray, plan.unfinished], [NOTHING, NOTHING, NOTHING]);
  });
});
