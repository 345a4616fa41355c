import { test } from 'node:test';
import { cutAndJudge } from '../support/power-cut/cut-run.js';
import { seedOfRun } from '../support/random.js';
import { recordFigures } from '../support/torture-figures.js';

/** Cuts that count, in one call of this test; a round makes this many at most. */
const WANTED = Number(process.env.CAIRN_CUTS ?? 200);
const ROUND = 20;

test('power cuts', async (t) => {
  const seed = seedOfRun(t);
  for (let cuts = 0, round = 0; cuts < WANTED; round++) {
    const counts = await cutAndJudge(seed + round, Math.min(ROUND, WANTED - cuts));
    const { jobs, ...judged } = counts;
    recordFigures('power-cut', seed + round, { ...judged, ...jobs });
    cuts += counts.cuts;
  }
});
