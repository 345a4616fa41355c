import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FAULTS, FaultyStore } from '../support/io-faults.js';
import { type IoOrder, IoShim, type PathClass } from '../support/io-shim.js';
import { withStore } from '../support/mounted-store.js';
import { Random, seedOfRun } from '../support/random.js';
import { recordFigures, tortureSeconds } from '../support/torture-figures.js';

/** More calls of one kind than any of the operations makes. */
const MOST_CALLS = 200;

type Operation = (store: FaultyStore, order: IoOrder) => Promise<boolean>;

const command =
  (...args: string[]): Operation =>
  (store, order) =>
    store.command(args, order);

/** What is done while the disk fails, with what it touches. */
const OPERATIONS: Record<string, { run: Operation; classes: readonly PathClass[]; needsSnapshot?: boolean }> = {
  'write small': { run: (store, order) => store.write(2000, order), classes: ['journal', 'wal', 'catalog'] },
  'write large': {
    run: (store, order) => store.write(3_000_000, order),
    classes: ['journal', 'chunk-temp', 'chunk', 'chunk-folder', 'wal'],
  },
  sync: { run: command('sync'), classes: ['journal', 'chunk-folder', 'chunk'] },
  'snapshot create': {
    run: command('snapshot', 'create', 'host/x'),
    classes: ['journal', 'chunk-temp', 'chunk', 'index', 'manifest', 'snapshot-folder', 'wal', 'other-file'],
  },
  forget: {
    run: command('snapshot', 'forget', 'host/x/latest'),
    classes: ['forgotten', 'wal', 'snapshot-folder', 'index', 'manifest', 'other-file'],
    needsSnapshot: true,
  },
  gc: {
    run: command('gc', '--grace', '0'),
    classes: ['quarantine', 'chunk', 'chunk-folder', 'wal', 'index', 'own'],
  },
};

/** Fails the first, second … call of a kind until there is none. */
async function sweep(faulty: FaultyStore, name: string, order: Omit<IoOrder, 'nth'>): Promise<void> {
  const { run, needsSnapshot = false } = OPERATIONS[name]!;
  for (let nth = 1; nth <= MOST_CALLS; nth++) {
    if (needsSnapshot) await faulty.command(['snapshot', 'create', 'host/x'], { action: 'count' });
    if (!(await run(faulty, { ...order, nth }))) return;
  }
  assert.fail(`${name} never went through`);
}

test('every I/O of every operation fails once', { timeout: 3 * 3600 * 1000 }, async (t) => {
  const seed = seedOfRun(t);
  const random = new Random(seed);
  const end = Date.now() + 1000 * tortureSeconds(30);
  let sweeps = 0;
  await withStore(
    async (store) => {
      const shim = new IoShim(join(store.folder, 'order'), store.store);
      store.environment = shim.environment;
      t.after(() => shim.close());
      await store.mount();
      mkdirSync(join(store.mountpoint, 'host/x'), { recursive: true });
      const faulty = new FaultyStore(store, shim, random);
      while (Date.now() < end) {
        const name = random.pick(Object.keys(OPERATIONS));
        const order = {
          ...random.pick(FAULTS),
          classes: [random.pick(OPERATIONS[name]!.classes)],
          fromThen: random.below(4) === 0,
        };
        t.diagnostic(`${name} ${JSON.stringify(order)} ${JSON.stringify(faulty.counts)}`);
        await sweep(faulty, name, order);
        await faulty.judge();
        sweeps += 1;
      }
      recordFigures('faults', seed, { sweeps, ...faulty.counts });
    },
    { mount: false },
  );
});
