import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BROKEN_RULES, PAUSES, SlowMachine } from '../support/many-machines/faulty-machines.js';
import { runManyMachines } from '../support/many-machines/run.js';
import { seedOfRun } from '../support/random.js';

const RUNS = 300;
const SLOW_RUNS = 25;
/** The rarest loss comes about once in 200 runs. */
const RUNS_TO_LOSE = 2000;

test('nothing that is published is lost, whatever becomes of the machines', async (t) => {
  const first = seedOfRun(t);
  const total = new Map<string, number>();
  for (let seed = first; seed < first + RUNS; seed += 1) {
    const { loss, doings } = await runManyMachines(seed);
    assert.equal(loss, undefined, `CAIRN_SEED=${seed} repeats it`);
    for (const [what, times] of doings) total.set(what, (total.get(what) ?? 0) + times);
  }
  t.diagnostic([...total].map(([what, times]) => `${what} ${times}`).join(', '));
  for (const what of ['published', 'withdrawn', 'deleted', 'kept', 'crashes', 'stale', 'busy']) {
    assert.ok((total.get(what) ?? 0) > 0, `nothing was ever ${what}`);
  }
});

test('nothing is lost either where machines are slow at the worst places', async (t) => {
  const first = seedOfRun(t);
  for (let seed = first; seed < first + SLOW_RUNS; seed += 1) {
    const { loss } = await runManyMachines(seed, SlowMachine, PAUSES);
    assert.equal(loss, undefined, `CAIRN_SEED=${seed} repeats it`);
  }
});

test('the same seed gives the same run of machines', async (t) => {
  const seed = seedOfRun(t);
  assert.deepEqual(await runManyMachines(seed), await runManyMachines(seed));
});

for (const { rule, machine, mixture } of BROKEN_RULES.filter(({ isRare }) => !isRare)) {
  test(`data is lost where a machine does not keep the rule: ${rule}`, async (t) => {
    const first = seedOfRun(t);
    for (let seed = first; seed < first + RUNS_TO_LOSE; seed += 1) {
      const { loss } = await runManyMachines(seed, machine, mixture);
      if (loss !== undefined) return t.diagnostic(`after ${seed - first + 1} runs: ${loss}`);
    }
    assert.fail(`${RUNS_TO_LOSE} runs lost nothing`);
  });
}
