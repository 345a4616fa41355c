import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import type { Progress } from '../../src/control/messages.js';
import { CairnError } from '../../src/core/errors.js';
import { unlessGivenUp } from '../../src/daemon/given-up.js';
import { JoinedWork, type Waiting } from '../../src/daemon/joined-work.js';
import { ofKind } from '../support/catalog.js';

/** Work that ends when the test says so, or when it is given up. */
class Bench {
  readonly pieces: { readonly context: Waiting; done(): void; failed(): void }[] = [];
  readonly work = new JoinedWork<number>(
    (context) =>
      new Promise((resolve, reject) => {
        const number = this.pieces.length + 1;
        this.pieces.push({
          context,
          done: () => resolve(number),
          failed: () => reject(new CairnError('unreachable', 'made to fail')),
        });
        context.signal.addEventListener('abort', () => reject(new CairnError('interrupted', 'Given up')));
      }),
  );
}

function caller(told: Progress[] = []): Waiting & { giveUp(): void } {
  const controller = new AbortController();
  return { progress: (at) => told.push(at), signal: controller.signal, giveUp: () => controller.abort() };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('who comes while a piece runs shares the next one, which is given up only when all of them gave up', async () => {
  const { work, pieces } = new Bench();
  const first = work.run(caller());
  await settled();
  const told: Progress[] = [];
  const [impatient, patient] = [caller(), caller(told)];
  const [one, other] = [work.run(impatient), work.run(patient)];
  const refused = assert.rejects(one, ofKind('interrupted'));
  pieces[0]?.done();
  assert.equal(await first, 1);
  await settled();
  impatient.giveUp();
  await refused;
  const at = { step: 'copying', done: 1, total: 2, unit: 'items' } as const;
  pieces[1]?.context.progress(at);
  pieces[1]?.done();
  assert.equal(await other, 2);
  assert.deepEqual(told, [at]);
  assert.equal(pieces.length, 2);
});

test('a piece nobody waits for any more ends, and who comes then gets one of his own', async () => {
  const { work, pieces } = new Bench();
  const callers = [caller(), caller()];
  const runs = callers.map((context) => assert.rejects(work.run(context), ofKind('interrupted')));
  await settled();
  callers[0]?.giveUp();
  await settled();
  assert.equal(pieces[0]?.context.signal.aborted, false);
  callers[1]?.giveUp();
  const late = work.run(caller());
  await Promise.all(runs);
  assert.ok(pieces[0]?.context.signal.aborted);
  await settled();
  pieces[1]?.done();
  assert.equal(await late, 2);
});

test('who gives up while he waits for his turn is answered at once and begins nothing', async () => {
  const { work, pieces } = new Bench();
  const first = work.run(caller());
  await settled();
  const impatient = caller();
  const refused = assert.rejects(work.run(impatient), ofKind('interrupted'));
  const notIdle = assert.rejects(work.idle(impatient.signal), ofKind('interrupted'));
  impatient.giveUp();
  await Promise.all([refused, notIdle]);
  pieces[0]?.failed();
  await assert.rejects(first, ofKind('unreachable'));
  await settled();
  assert.deepEqual([pieces.length, work.isRunning], [1, false]);
});

test('the end gives up what runs and refuses who waits', async () => {
  const { work, pieces } = new Bench();
  const first = assert.rejects(work.run(caller()), ofKind('interrupted'));
  await settled();
  const next = assert.rejects(work.run(caller()), ofKind('interrupted'));
  await work.end();
  await Promise.all([first, next]);
  await assert.rejects(work.run(caller()), ofKind('interrupted'));
  assert.equal(pieces.length, 1);
});

test('a signal that outlives what was waited for keeps nothing of it', async () => {
  const { signal } = new AbortController();
  for (let n = 0; n < 3; n += 1) await unlessGivenUp(Promise.resolve(n), signal);
  assert.deepEqual(getEventListeners(signal, 'abort'), []);
  await assert.rejects(unlessGivenUp(new Promise(() => undefined), AbortSignal.abort()), ofKind('interrupted'));
});
