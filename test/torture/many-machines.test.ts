import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BROKEN_RULES, PAUSES, SlowMachine } from '../support/many-machines/faulty-machines.js';
import { runManyMachines } from '../support/many-machines/run.js';
import { seedOfRun } from '../support/random.js';
import { recordFigures } from '../support/torture-figures.js';

const RUNS = 100_000;
const SLOW_RUNS = 5_000;
const RUNS_TO_LOSE = 5_000;

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

test('nothing is lost either where machines are slow at the worst places', async (t) => {
  const first = seedOfRun(t);
  for (let seed = first; seed < first + SLOW_RUNS; seed += 1) {
    const { loss } = await runManyMachines(seed, SlowMachine, PAUSES);
    assert.equal(loss, undefined, `CAIRN_SEED=${seed} repeats it`);
  }
});

for (const { rule, machine, mixture } of BROKEN_RULES.filter(({ isRare }) => isRare)) {
  test(`data is lost where a machine does not keep the rule: ${rule}`, async (t) => {
    const first = seedOfRun(t);
    for (let seed = first; seed < first + RUNS_TO_LOSE; seed += 1) {
      const { loss } = await runManyMachines(seed, machine, mixture);
      if (loss !== undefined) return t.diagnostic(`after ${seed - first + 1} runs: ${loss}`);
    }
    assert.fail(`${RUNS_TO_LOSE} runs lost nothing`);
  });
}
