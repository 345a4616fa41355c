import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAULT_OPERATIONS } from '../support/faults/operations.js';
import { faultKindsOf, tryFault, withFaultyStore } from '../support/faults/sweep.js';
import { Random, seedOfRun } from '../support/random.js';

/** `scripts/torture faults` does all of them, and fails each of their calls. */
const OPERATIONS = 5;
const TRIALS_EACH = 3;

test('what cannot be taken back in the lock file keeps no mount from ending', async (t) => {
  await withFaultyStore(new Random(seedOfRun(t)), async (store) => {
    const kinds = await faultKindsOf(store, 'umount');
    const truncations = kinds.filter(({ pathClass, call }) => pathClass === 'own' && call === 'truncate');
    assert.ok(truncations.length > 0);
    for (const kind of truncations) await tryFault(store, kind, 1, true);
  });
});

test('a config that cannot be read ends a mount that begins with one line, and no mount that runs', async (t) => {
  await withFaultyStore(new Random(seedOfRun(t)), async (store) => {
    for (const operation of ['mount', 'snapshot']) {
      const kinds = await faultKindsOf(store, operation);
      const opens = kinds.filter(({ pathClass, call }) => pathClass === 'own' && call === 'open');
      assert.ok(opens.length > 0);
      for (const kind of opens) for (let nth = 1; nth <= kind.calls; nth += 1) await tryFault(store, kind, nth, false);
    }
  });
});

test('no fault of the disk below loses what was acknowledged', async (t) => {
  const random = new Random(seedOfRun(t));
  const names = Object.keys(FAULT_OPERATIONS);
  const counts = await withFaultyStore(random, async (store) => {
    for (let left = OPERATIONS; left > 0; left -= 1) {
      const [name] = names.splice(random.below(names.length), 1) as [string];
      const kinds = await faultKindsOf(store, name);
      for (let trial = 0; trial < TRIALS_EACH; trial += 1) {
        const kind = random.pick(kinds);
        const nth = 1 + random.below(kind.calls);
        const fromThen = random.below(3) === 0;
        t.diagnostic(`${JSON.stringify(kind)}, the ${nth}th${fromThen ? ' and all after it' : ''}`);
        await tryFault(store, kind, nth, fromThen);
      }
    }
  });
  t.diagnostic(JSON.stringify(counts));
  assert.ok(counts.hit > OPERATIONS, JSON.stringify(counts));
});
