import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runChunkLife } from '../support/chunk-life/run.js';
import { seedOfRun } from '../support/random.js';
import { recordFigures } from '../support/torture-figures.js';

const RUNS = 100_000;

test('nothing that files or snapshots name is lost, and nothing else is kept', async (t) => {
  const first = seedOfRun(t);
  let powerCuts = 0;
  for (let seed = first; seed < first + RUNS; seed += 1) {
    const { loss, doings } = await runChunkLife(seed);
    assert.equal(loss, undefined, `CAIRN_SEED=${seed} repeats it`);
    powerCuts += doings.get('power cuts') ?? 0;
  }
  recordFigures('chunk-life', first, { runs: RUNS, powerCuts });
});
