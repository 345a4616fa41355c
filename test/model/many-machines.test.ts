import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BROKEN_RULES } from '../support/many-machines/faulty-machines.js';
import { losesNothing, losesNothingWhereSlow, losesWithout } from '../support/many-machines/judge.js';
import { runManyMachines } from '../support/many-machines/run.js';
import { seedOfRun } from '../support/random.js';

const RUNS = 1000;
const SLOW_RUNS = 25;
/** The rarest loss comes about once in 200 runs. */
const RUNS_TO_LOSE = 2000;

test('nothing that is published is lost, whatever becomes of the machines', async (t) => {
  const total = new Map<string, number>();
  await losesNothing(t, RUNS, runManyMachines, ({ doings }) => {
    for (const [what, times] of doings) total.set(what, (total.get(what) ?? 0) + times);
  });
  t.diagnostic([...total].map(([what, times]) => `${what} ${times}`).join(', '));
  for (const what of [
    'published',
    'withdrawn',
    'marks removed',
    'deleted',
    'kept',
    'crashes',
    'stale',
    'busy',
    'claimed',
  ]) {
    assert.ok((total.get(what) ?? 0) > 0, `nothing was ever ${what}`);
  }
});

test('nothing is lost either where machines are slow at the worst places', (t) => losesNothingWhereSlow(t, SLOW_RUNS));

test('the same seed gives the same run of machines', async (t) => {
  const seed = seedOfRun(t);
  assert.deepEqual(await runManyMachines(seed), await runManyMachines(seed));
});

for (const broken of BROKEN_RULES.filter(({ isRare }) => !isRare)) {
  test(`data is lost where a machine does not keep the rule: ${broken.rule}`, (t) =>
    losesWithout(t, broken, RUNS_TO_LOSE));
}
