import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BROKEN_RULES } from '../support/chunk-life/faulty-worlds.js';
import { runChunkLife } from '../support/chunk-life/run.js';
import { seedOfRun } from '../support/random.js';

const RUNS = 2000;
/** The rarest loss comes about once in 100 runs. */
const RUNS_TO_LOSE = 3000;

test('nothing that files or snapshots name is lost, and nothing else is kept', async (t) => {
  const first = seedOfRun(t);
  const total = new Map<string, number>();
  for (let seed = first; seed < first + RUNS; seed += 1) {
    const { loss, doings } = await runChunkLife(seed);
    assert.equal(loss, undefined, `CAIRN_SEED=${seed} repeats it`);
    for (const [what, times] of doings) total.set(what, (total.get(what) ?? 0) + times);
  }
  t.diagnostic([...total].map(([what, times]) => `${what} ${times}`).join(', '));
  for (const what of [
    'written',
    'removed',
    'spared',
    'snapshots',
    'expired',
    'restored',
    'set aside: aside',
    'kills',
  ]) {
    assert.ok((total.get(what) ?? 0) > 0, `nothing was ever ${what}`);
  }
});

test('the same seed gives the same run', async (t) => {
  const seed = seedOfRun(t);
  assert.deepEqual(await runChunkLife(seed), await runChunkLife(seed));
});

for (const { rule, world, mixture } of BROKEN_RULES) {
  test(`data is lost where a part does not keep the rule: ${rule}`, async (t) => {
    const first = seedOfRun(t);
    for (let seed = first; seed < first + RUNS_TO_LOSE; seed += 1) {
      const { loss } = await runChunkLife(seed, world, mixture);
      if (loss !== undefined) return t.diagnostic(`after ${seed - first + 1} runs: ${loss}`);
    }
    assert.fail(`${RUNS_TO_LOSE} runs lost nothing`);
  });
}
