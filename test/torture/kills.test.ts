import { test } from 'node:test';
import { killAndJudge } from '../support/kills/kill-run.js';
import { seedOfRun } from '../support/random.js';
import { recordFigures } from '../support/torture-figures.js';

/** Kills that count, in one call of this test; a line of figures is for so many at most. */
const WANTED = Number(process.env.CAIRN_KILLS ?? 500);
const ROUND = 25;

test('kills at failpoints and anywhere', async (t) => {
  const seed = seedOfRun(t);
  for (let kills = 0, round = 0; kills < WANTED; round++) {
    const byFailpoint: Record<string, number> = {};
    const counts = await killAndJudge(seed + round, Math.min(ROUND, WANTED - kills), (failpoint) => {
      byFailpoint[failpoint] = (byFailpoint[failpoint] ?? 0) + 1;
    });
    recordFigures('kills', seed + round, { ...counts, ...byFailpoint });
    kills += counts.kills;
  }
});
