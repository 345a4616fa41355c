import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FAULTS, FaultyStore } from '../support/io-faults.js';
import { IoShim, type PathClass } from '../support/io-shim.js';
import { withStore } from '../support/mounted-store.js';
import { Random, seedOfRun } from '../support/random.js';

const CLASSES: readonly PathClass[] = ['journal', 'chunk-temp', 'chunk', 'chunk-folder', 'wal'];

test('no fault of the disk below loses what was acknowledged', { timeout: 200_000 }, async (t) => {
  const seed = seedOfRun(t);
  const random = new Random(seed);
  await withStore(
    async (store) => {
      const shim = new IoShim(join(store.folder, 'order'), store.store);
      store.environment = shim.environment;
      t.after(() => shim.close());
      await store.mount();
      mkdirSync(join(store.mountpoint, 'host/x'), { recursive: true });
      writeFileSync(join(store.mountpoint, 'host/x/current/first'), 'first');
      const faulty = new FaultyStore(store, shim, random);
      for (const pathClass of CLASSES) {
        for (let round = 0; round < 4; round++) {
          const order = {
            ...random.pick(FAULTS),
            classes: [pathClass],
            nth: 1 + random.below(4),
            fromThen: random.below(2) === 0,
          };
          await faulty.write(random.pick([2000, 3_000_000]), order);
        }
      }
      await faulty.judge();
      assert.ok(faulty.counts.hit > 5, JSON.stringify(faulty.counts));
      t.diagnostic(JSON.stringify(faulty.counts));
    },
    { mount: false },
  );
});
