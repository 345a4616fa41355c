import { test } from 'node:test';
import { FAULT_OPERATIONS } from '../support/faults/operations.js';
import { faultKindsOf, sweep, withFaultyStore } from '../support/faults/sweep.js';
import { Random, seedOfRun } from '../support/random.js';
import { recordFigures } from '../support/torture-figures.js';

/** Which operations, by name; default: all. */
const CHOSEN = process.env.CAIRN_OPERATIONS?.split(' ') ?? Object.keys(FAULT_OPERATIONS);

for (const operation of CHOSEN) {
  test(`the first, second … call of ${operation} goes wrong, in every way`, async (t) => {
    const seed = seedOfRun(t);
    let kinds = 0;
    const counts = await withFaultyStore(new Random(seed), async (store) => {
      const faults = await faultKindsOf(store, operation);
      for (const [at, kind] of faults.entries()) {
        // Told at once: the report comes when all is over.
        console.error(`${operation} ${at}/${faults.length} ${JSON.stringify(kind)} ${JSON.stringify(store.counts)}`);
        await sweep(store, kind);
        const next = faults[at + 1];
        if (next?.call !== kind.call || next.pathClass !== kind.pathClass) await store.judge();
        kinds += 1;
      }
    });
    recordFigures(`faults ${operation}`, seed, { kinds, ...counts });
  });
}
