import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { outputOf } from '../support/commands.js';
import { assertSameTree } from '../support/compare-trees.js';
import { withStore } from '../support/mounted-store.js';
import { SideBySide } from '../support/side-by-side.js';

/** CAIRN_SEED replays a run, CAIRN_OPERATIONS makes it longer. */
const seed = Number(process.env.CAIRN_SEED ?? Date.now() % 1_000_000);
const operations = Number(process.env.CAIRN_OPERATIONS ?? 3000);
const BATCH = 500;

test(`random operations do to the mount what they do to a plain folder (CAIRN_SEED=${seed})`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-model-'));
  const model = join(folder, 'model');
  mkdirSync(model, { mode: 0o755 });
  try {
    await withStore(
      async (store) => {
        const current = join(store.mountpoint, 'host/x/current');
        const both = new SideBySide(seed, model, current);
        for (let done = 0; done < operations; done += BATCH) {
          for (let i = 0; i < BATCH; i++) both.step();
          both.settle();
          assertSameTree(model, current);
          if ((done / BATCH) % 2 === 1) {
            await store.remount();
            assertSameTree(model, current);
          }
        }
        store.cairn('snapshot', 'create', 'host/x');
        assertSameTree(model, store.latest('host/x'));
        assert.deepEqual(store.status().problems, []);
      },
      { groups: ['host/x'] },
    );
  } finally {
    outputOf('rm', ['-rf', folder]);
  }
});
