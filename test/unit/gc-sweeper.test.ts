import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_BATCH } from '../../src/chunkstore/batches.js';
import { overlapping, sortedBatches } from '../../src/maintenance/gc/sweeper.js';
import { restSeconds } from '../../src/maintenance/gc/throttle.js';
import { noise } from '../support/noise.js';

test('two steps overlap, no more, and all are done in order', async () => {
  const running: (() => void)[] = [];
  const begun: number[] = [];
  const all = overlapping([1, 2, 3, 4], (item) => {
    begun.push(item);
    return new Promise((resolve) => running.push(resolve));
  });
  for (let done = 0; done < 4; done++) {
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(begun.length, Math.min(4, done + 2));
    running[done]?.();
  }
  await all;
  assert.deepEqual(begun, [1, 2, 3, 4]);
});

test('a step that fails is the last one begun, and the other one has ended when it is told', async () => {
  for (const failing of [1, 2, 3, 4]) {
    const begun: number[] = [];
    const ended: number[] = [];
    const all = overlapping([1, 2, 3, 4, 5, 6], async (item) => {
      begun.push(item);
      await new Promise((resolve) => setImmediate(resolve));
      ended.push(item);
      if (item === failing) throw new Error(`${item} failed`);
    });
    await assert.rejects(all, new RegExp(`${failing} failed`));
    assert.deepEqual(ended, begun);
    assert.ok(begun.length <= failing + 1);
  }
});

test('batches have all chunks once, folder by folder', () => {
  const count = 2 * MAX_BATCH + 500;
  const chunks = Array.from({ length: count }, (_, n) => ({ digest: noise(`${n}`, 32), bytes: n }));
  const batches = [...sortedBatches([...chunks])];
  assert.deepEqual(
    batches.map(({ length }) => length),
    [MAX_BATCH, MAX_BATCH, 500],
  );
  const folders = batches.flat().map(({ digest }) => digest[0]!);
  assert.deepEqual(
    folders,
    folders.toSorted((a, b) => a - b),
  );
  assert.equal(new Set(batches.flat().map(({ bytes }) => bytes)).size, count);
});

test('a collection rests the longer the busier the mount is, and never for long', () => {
  assert.equal(restSeconds({ busy: 0 }, 1), 0);
  assert.equal(restSeconds({ busy: 0.3 }, 1), 0);
  assert.ok(restSeconds({ busy: 0.5 }, 0.1) < restSeconds({ busy: 0.9 }, 0.1));
  assert.equal(restSeconds({ busy: 1 }, 0.1), 0.4);
  assert.equal(restSeconds({ busy: 1 }, 100), 2);
});
