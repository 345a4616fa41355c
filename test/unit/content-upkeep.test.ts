import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Catalog } from '../../src/catalog/open.js';
import type { LiveStore } from '../../src/content/open-live-store.js';
import { Upkeep } from '../../src/content/upkeep.js';
import { CairnError } from '../../src/core/errors.js';
import { keptLog } from '../support/live-store.js';

test('a catalog that cannot be read does not end the thread of the mount, and is told once', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const log = keptLog();
  let [ticks, isReadable] = [0, false];
  const packer = {
    tick: () => {
      ticks += 1;
      if (!isReadable) throw new CairnError('io', 'Cannot read the catalog');
    },
  };
  const store = {
    parts: { log: { changesSinceCommit: 0 }, budget: { shrunk: () => undefined } },
    durability: { unsyncedBytes: 0, noteQuiet: () => undefined },
    packer,
  };
  const catalog = { transactions: { state: 'none' } };
  const upkeep = new Upkeep(store as unknown as LiveStore, catalog as unknown as Catalog, log);
  upkeep.start();
  t.mock.timers.tick(250);
  t.mock.timers.tick(250);
  isReadable = true;
  t.mock.timers.tick(250);
  upkeep.stop();
  assert.equal(ticks, 3);
  assert.deepEqual(log.lines, ['error Upkeep cannot be done; it is tried again']);
});
