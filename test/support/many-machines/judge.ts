import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { seedOfRun } from '../random.js';
import { type BROKEN_RULES, PAUSES, SlowMachine } from './faulty-machines.js';
import { type RunResult, runManyMachines } from './run.js';

/** Runs with so many seeds, none of which loses anything. @returns the first seed */
export async function losesNothing(
  t: TestContext,
  runs: number,
  run: (seed: number) => Promise<RunResult>,
  onRun: (result: RunResult) => void = () => undefined,
): Promise<number> {
  const first = seedOfRun(t);
  for (let seed = first; seed < first + runs; seed += 1) {
    const result = await run(seed);
    assert.equal(result.loss, undefined, `CAIRN_SEED=${seed} repeats it`);
    onRun(result);
  }
  return first;
}

/** The same with machines that are slow at the worst places. */
export async function losesNothingWhereSlow(t: TestContext, runs: number): Promise<void> {
  await losesNothing(t, runs, (seed) => runManyMachines(seed, SlowMachine, PAUSES));
}

/** One of so many runs loses something, as a machine does not keep a rule. */
export async function losesWithout(
  t: TestContext,
  { machine, mixture }: (typeof BROKEN_RULES)[number],
  runs: number,
): Promise<void> {
  const first = seedOfRun(t);
  for (let seed = first; seed < first + runs; seed += 1) {
    const { loss } = await runManyMachines(seed, machine, mixture);
    if (loss !== undefined) return t.diagnostic(`after ${seed - first + 1} runs: ${loss}`);
  }
  assert.fail(`${runs} runs lost nothing`);
}
