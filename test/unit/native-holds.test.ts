import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { digestHex } from '../../src/core/digest.js';
import {
  agreeOnLevel,
  beginSweep,
  endSweep,
  HoldScope,
  heldChunks,
  isHeld,
  threadHolds,
} from '../../src/native/holds.js';
import { runInWorker } from '../support/worker-code.js';

const HOLDS = new URL('../../src/native/holds.js', import.meta.url);

test('a chunk is held until each hold is released', () => {
  const [one, two] = [randomBytes(32), randomBytes(32)];
  const holds = threadHolds();
  assert.equal(isHeld(one), false);
  holds.hold(one);
  holds.hold(one);
  holds.hold(two);
  assert.deepEqual(new Set(heldChunks().map(digestHex)), new Set([digestHex(one), digestHex(two)]));
  holds.release(one);
  assert.equal(isHeld(one), true);
  holds.release(one);
  assert.equal(isHeld(one), false);
  assert.throws(() => holds.release(one), RangeError);
  holds.release(two);
  assert.deepEqual(heldChunks(), []);
});

test('the holds of a scope end together, and only those', () => {
  const [one, two] = [randomBytes(32), randomBytes(32)];
  const scope = HoldScope.open();
  scope.hold(one);
  scope.hold(one);
  scope.hold(two);
  threadHolds().hold(two);
  assert.throws(() => threadHolds().release(one), RangeError);
  scope.end();
  assert.deepEqual(heldChunks().map(digestHex), [digestHex(two)]);
  threadHolds().release(two);
  assert.throws(() => scope.hold(one), /has ended/);
  scope.end();
});

test('holds taken in a scope of another thread outlive the thread, its own do not', async () => {
  const [shared, own] = [randomBytes(32), randomBytes(32)];
  const scope = HoldScope.open();
  const data = { scope: scope.id, shared, own };
  await runInWorker(
    HOLDS,
    data,
    `({ HoldScope, threadHolds, isHeld }, { scope, shared, own }) => {
      HoldScope.of(scope).hold(shared);
      threadHolds().hold(own);
      if (!isHeld(own)) throw new Error('not held');
    }`,
  );
  assert.equal(isHeld(shared), true);
  assert.equal(isHeld(own), false);
  scope.end();
  assert.equal(isHeld(shared), false);
});

test('whoever asks while a chunk is held is told the same level, in any thread', async () => {
  const digest = randomBytes(32);
  assert.equal(agreeOnLevel(digest, 2), 2);
  assert.equal(agreeOnLevel(digest, 3), 3, 'nobody holds it');
  const scope = HoldScope.open();
  scope.hold(digest);
  threadHolds().hold(digest);
  assert.equal(agreeOnLevel(digest, 3), 3);
  const ask = `({ agreeOnLevel }, digest) => {
    const level = agreeOnLevel(digest, -7);
    if (level !== 3) throw new Error('told ' + level);
  }`;
  await runInWorker(HOLDS, digest, ask);
  scope.end();
  assert.equal(agreeOnLevel(digest, 1), 3);
  threadHolds().release(digest);
  threadHolds().hold(digest);
  assert.equal(agreeOnLevel(digest, 1), 1);
  threadHolds().release(digest);
});

test('a hold that ends while a sweep runs counts until the sweep is over', () => {
  const [before, during, kept] = [randomBytes(32), randomBytes(32), randomBytes(32)];
  const holds = threadHolds();
  holds.hold(before);
  assert.equal(beginSweep(), true);
  assert.equal(beginSweep(), false);
  holds.release(before);
  const scope = HoldScope.open();
  scope.hold(during);
  scope.end();
  holds.hold(kept);
  holds.release(kept);
  holds.hold(kept);
  for (const digest of [before, during, kept]) assert.equal(isHeld(digest), true);
  assert.throws(() => holds.release(before), RangeError);
  assert.equal(endSweep(), true);
  assert.equal(endSweep(), false);
  assert.deepEqual(heldChunks().map(digestHex), [digestHex(kept)]);
  holds.release(kept);
  assert.deepEqual(heldChunks(), []);
});

test("a dead thread's holds last until the running sweep is over, and its own sweep ends with it", async () => {
  const digest = randomBytes(32);
  const hold = '({ threadHolds }, digest) => threadHolds().hold(digest)';
  assert.equal(beginSweep(), true);
  await runInWorker(HOLDS, digest, hold);
  assert.equal(isHeld(digest), true);
  endSweep();
  assert.equal(isHeld(digest), false);
  await runInWorker(HOLDS, digest, '({ beginSweep }) => { if (!beginSweep()) throw new Error("busy"); }');
  assert.equal(beginSweep(), true);
  assert.equal(endSweep(), true);
});

test('wrong arguments are refused', () => {
  assert.throws(() => threadHolds().hold(Buffer.alloc(31)), RangeError);
  assert.throws(() => isHeld('x' as unknown as Uint8Array), TypeError);
  assert.throws(() => HoldScope.of(0), RangeError);
  assert.throws(() => agreeOnLevel(Buffer.alloc(31), 1), RangeError);
  assert.throws(() => agreeOnLevel(Buffer.alloc(32), 1.5), RangeError);
});
