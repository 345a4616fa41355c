import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runManyMachines } from '../support/many-machines/run.js';
import { seedOfRun } from '../support/random.js';
import { recordFigures } from '../support/torture-figures.js';

const RUNS = 100_000;

test('nothing that is published is lost, whatever becomes of the machines', async (t) => {
  const first = seedOfRun(t);
  const sum = { runs: RUNS, published: 0, deleted: 0, crashes: 0 };
  for (let seed = first; seed < first + RUNS; seed += 1) {
    const { loss, doings } = await runManyMachines(seed);
    assert.equal(loss, undefined, `CAIRN_SEED=${seed} repeats it`);
    for (const what of ['published', 'deleted', 'crashes'] as const) sum[what] += doings.get(what) ?? 0;
  }
  recordFigures('many-machines', first, sum);
});
