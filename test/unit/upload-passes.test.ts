import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UploadPasses } from '../../src/daemon/upload-passes.js';

/** What became of it by now. */
function stateOf(waiting: Promise<void>): () => string {
  let state = 'waits';
  waiting.then(
    () => {
      state = 'done';
    },
    (error: Error) => {
      state = error.message;
    },
  );
  return () => state;
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('who waits for uploads waits for the first pass behind his call alone, whatever follows', async () => {
  const passes = new UploadPasses();
  const first = stateOf(passes.next());
  passes.begin();
  const second = stateOf(passes.next());
  assert.deepEqual([passes.isWanted, passes.isInTheWay], [true, false], 'somebody waits for the pass that runs');
  passes.end();
  await settled();
  assert.deepEqual([first(), second()], ['done', 'waits']);
  passes.begin();
  // Others go on coming: who came before is not kept.
  for (let n = 0; n < 5; n += 1) {
    const next = stateOf(passes.next());
    passes.end();
    await settled();
    assert.deepEqual([second(), next()], ['done', 'waits']);
    passes.begin();
  }
  passes.end();
  assert.equal(passes.isWanted, false);
});

test('a pass nobody waits for is in the way of who comes; one that is cut short serves nobody', async () => {
  const passes = new UploadPasses();
  passes.begin();
  assert.equal(passes.isInTheWay, false);
  const waiting = stateOf(passes.next());
  assert.equal(passes.isInTheWay, true);
  passes.end();
  await settled();
  assert.equal(waiting(), 'waits');
  passes.begin();
  assert.deepEqual([passes.isWanted, passes.isInTheWay], [false, false]);
  passes.end();
  await settled();
  assert.equal(waiting(), 'done');
});

test('a failure is told to those it concerns: of a pass, or where none can begin to all', async () => {
  const passes = new UploadPasses();
  const served = stateOf(passes.next());
  passes.begin();
  const later = stateOf(passes.next());
  passes.fail(new Error('down'));
  await settled();
  assert.deepEqual([served(), later(), passes.isWanted], ['down', 'waits', true]);
  passes.fail(new Error('not begun'));
  await settled();
  assert.deepEqual([later(), passes.isWanted], ['not begun', false]);
  const incomplete = stateOf(passes.next());
  passes.begin();
  passes.end(new Error('chunks are missing'));
  await settled();
  assert.equal(incomplete(), 'chunks are missing');
});
