import { test } from 'node:test';
import { controlAnswers, controlRequests } from '../support/fuzz/control-messages.js';
import { fuzz } from '../support/fuzz/run.js';
import { seedOfRun } from '../support/random.js';

const CASES = 600;

test('a request that makes no sense is refused, and never reaches a handler', async (t) => {
  await fuzz(await controlRequests(t), seedOfRun(t), CASES);
});

test('an answer that makes no sense is an error with a kind, whatever the daemon sends', async (t) => {
  await fuzz(await controlAnswers(t), seedOfRun(t), CASES);
});
