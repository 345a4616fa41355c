import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { digestHex } from '../../src/core/digest.js';
import { heldChunks, holdChunk, isHeld, releaseChunk } from '../../src/native/holds.js';

const HOLDS = JSON.stringify(new URL('../../src/native/holds.js', import.meta.url).href);

/** Runs code that uses `digest` and the holds door in a thread of its own, to its end. */
function inWorker(digest: Uint8Array, code: string): Promise<number> {
  const source = `
    const { workerData } = require('node:worker_threads');
    import(${HOLDS}).then(({ holdChunk, releaseChunk, isHeld }) => { const digest = workerData; ${code} });`;
  const worker = new Worker(source, { eval: true, workerData: digest });
  return new Promise((done, fail) => worker.on('exit', done).on('error', fail));
}

test('a chunk is held until each hold is released', () => {
  const [one, two] = [randomBytes(32), randomBytes(32)];
  assert.equal(isHeld(one), false);
  holdChunk(one);
  holdChunk(one);
  holdChunk(two);
  assert.deepEqual(new Set(heldChunks().map(digestHex)), new Set([digestHex(one), digestHex(two)]));
  releaseChunk(one);
  assert.equal(isHeld(one), true);
  releaseChunk(one);
  assert.equal(isHeld(one), false);
  assert.throws(() => releaseChunk(one), RangeError);
  releaseChunk(two);
  assert.deepEqual(heldChunks(), []);
});

test('the table is the process’s: holds outlive the thread, and any thread may release them', async () => {
  const digest = randomBytes(32);
  assert.equal(await inWorker(digest, 'holdChunk(digest);'), 0);
  assert.equal(isHeld(digest), true);
  assert.equal(await inWorker(digest, 'if (!isHeld(digest)) process.exit(3); releaseChunk(digest);'), 0);
  assert.equal(isHeld(digest), false);
});

test('wrong arguments are refused', () => {
  assert.throws(() => holdChunk(Buffer.alloc(31)), RangeError);
  assert.throws(() => isHeld('x' as unknown as Uint8Array), TypeError);
});
