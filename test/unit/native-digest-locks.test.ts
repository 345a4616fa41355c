import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import {
  betweenPictures,
  lockDigest,
  openPicture,
  tryLockDigest,
  unlockDigest,
} from '../../src/native/digest-locks.js';
import { runInWorker, startInWorker } from '../support/worker-code.js';

const LOCKS = new URL('../../src/native/digest-locks.js', import.meta.url);
const SHARED = () => new Int32Array(new SharedArrayBuffer(4));

test('one has the lock at a time, first come, first served', async () => {
  const [digest, other] = [randomBytes(32), randomBytes(32)];
  const order: number[] = [];
  assert.equal(lockDigest(digest), undefined);
  assert.equal(lockDigest(other), undefined);
  const waiting = [1, 2, 3].map(async (number) => {
    await lockDigest(digest);
    order.push(number);
  });
  assert.equal(tryLockDigest(digest), false);
  unlockDigest(other);
  for (const [index, wait] of waiting.entries()) {
    assert.equal(order.length, index);
    unlockDigest(digest);
    await wait;
  }
  assert.deepEqual(order, [1, 2, 3]);
  unlockDigest(digest);
  assert.throws(() => unlockDigest(digest), RangeError);
  assert.equal(tryLockDigest(digest), true);
  unlockDigest(digest);
});

test('threads wait for each other', async () => {
  const digest = randomBytes(32);
  const counter = SHARED();
  // What is read and written in two steps is only right if one thread is there at a time.
  const code = `async ({ lockDigest, unlockDigest }, { digest, counter }) => {
    for (let round = 0; round < 200; round++) {
      await lockDigest(digest);
      const before = counter[0];
      if (round % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      counter[0] = before + 1;
      unlockDigest(digest);
    }
  }`;
  await Promise.all([1, 2, 3, 4].map(() => runInWorker(LOCKS, { digest, counter }, code)));
  assert.equal(counter[0], 800);
  assert.equal(tryLockDigest(digest), true);
  unlockDigest(digest);
});

test('what a dead thread had locked or waited for is free', async () => {
  const [digest, other] = [randomBytes(32), randomBytes(32)];
  lockDigest(other);
  const holder = startInWorker(
    LOCKS,
    { digest, other },
    `({ lockDigest, openPicture }, { digest, other }) => {
      lockDigest(digest);
      lockDigest(other);
      openPicture();
    }`,
  );
  await once(holder, 'message');
  assert.equal(tryLockDigest(digest), false);
  const granted = lockDigest(digest);
  const marked = betweenPictures(() => 'marked');
  await holder.terminate();
  await granted;
  assert.equal(await marked, 'marked');
  unlockDigest(digest);
  unlockDigest(other);
  for (const free of [digest, other]) {
    assert.equal(tryLockDigest(free), true);
    unlockDigest(free);
  }
});

test('a thread may end while it is being given a lock', async () => {
  const digest = randomBytes(32);
  for (let round = 0; round < 20; round++) {
    lockDigest(digest);
    const worker = startInWorker(LOCKS, digest, '({ lockDigest }, digest) => { lockDigest(digest); }');
    await once(worker, 'message');
    unlockDigest(digest);
    await worker.terminate();
    await lockDigest(digest);
    unlockDigest(digest);
  }
});

test('many have a picture open at once; a mark is taken between them, in order', async () => {
  const events: string[] = [];
  const close = [await openPicture(), await openPicture()];
  const mark = betweenPictures(async () => {
    events.push('mark begins');
    await new Promise((resolve) => setImmediate(resolve));
    events.push('mark ends');
  });
  const later = openPicture().then((end) => {
    events.push('picture');
    return end;
  });
  close[0]?.();
  close[0]?.();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(events, []);
  close[1]?.();
  await mark;
  const end = await later;
  assert.deepEqual(events, ['mark begins', 'mark ends', 'picture']);
  end();
  await assert.rejects(
    betweenPictures(() => Promise.reject(new Error('the picture failed'))),
    /the picture failed/,
  );
  (await openPicture())();
});

test('wrong arguments are refused', () => {
  assert.throws(() => lockDigest(Buffer.alloc(31)), RangeError);
  assert.throws(() => tryLockDigest('x' as unknown as Uint8Array), TypeError);
});
