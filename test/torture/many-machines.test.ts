import { test } from 'node:test';
import { BROKEN_RULES } from '../support/many-machines/faulty-machines.js';
import { losesNothing, losesNothingWhereSlow, losesWithout } from '../support/many-machines/judge.js';
import { runManyMachines } from '../support/many-machines/run.js';
import { recordFigures } from '../support/torture-figures.js';

const RUNS = 100_000;
const SLOW_RUNS = 5_000;
const RUNS_TO_LOSE = 5_000;

test('nothing that is published is lost, whatever becomes of the machines', async (t) => {
  const sum = { runs: RUNS, published: 0, deleted: 0, crashes: 0 };
  const first = await losesNothing(t, RUNS, runManyMachines, ({ doings }) => {
    for (const what of ['published', 'deleted', 'crashes'] as const) sum[what] += doings.get(what) ?? 0;
  });
  recordFigures('many-machines', first, sum);
});

test('nothing is lost either where machines are slow at the worst places', (t) => losesNothingWhereSlow(t, SLOW_RUNS));

for (const broken of BROKEN_RULES.filter(({ isRare }) => isRare)) {
  test(`data is lost where a machine does not keep the rule: ${broken.rule}`, (t) =>
    losesWithout(t, broken, RUNS_TO_LOSE));
}
