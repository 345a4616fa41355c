import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock, WallClock } from '../../src/core/time.js';

const START_MS = 1_795_000_000_000;

/** A clock, and the two it goes by, in milliseconds. */
function clockOf(): { clock: WallClock; at: { wall: number; steady: number }; milliseconds: () => number } {
  const at = { wall: START_MS, steady: 5000.25 };
  const clock = new WallClock({ wall: () => Math.floor(at.wall), steady: () => at.steady });
  const milliseconds = (): number => {
    const { seconds, nanoseconds } = clock.now();
    assert.ok(nanoseconds >= 0 && nanoseconds < 1e9);
    return seconds * 1000 + nanoseconds / 1e6 - START_MS;
  };
  return { clock, at, milliseconds };
}

test('between two milliseconds of the system there are microseconds', () => {
  const { at, milliseconds } = clockOf();
  assert.equal(milliseconds(), 0);
  at.wall += 0.5;
  at.steady += 0.5;
  assert.equal(milliseconds(), 0.5);
});

test('it follows a clock that is set forth or back, and one of a machine that slept', () => {
  const { at, milliseconds } = clockOf();
  at.wall += 7_200_000;
  assert.equal(milliseconds(), 7_200_000);
  at.wall -= 14_400_000;
  assert.equal(milliseconds(), -7_200_000);
  at.wall += 60_000;
  at.steady += 1;
  assert.equal(milliseconds(), -7_140_000);
});

test('a system that is slowed down or a little corrected makes nothing happen earlier', () => {
  const { at, milliseconds } = clockOf();
  let last = milliseconds();
  for (let step = 0; step < 1000; step += 1) {
    at.wall += step === 500 ? -200 : 0.9;
    at.steady += 1;
    const now = milliseconds();
    assert.ok(now >= last, `${now} after ${last}`);
    last = now;
  }
  assert.ok(Math.abs(last - (at.wall - START_MS)) <= 3, `${last} is not what the system has`);
});

test('the system’s time is told', () => {
  const before = Date.now();
  const { seconds, nanoseconds } = systemClock.now();
  const told = seconds * 1000 + nanoseconds / 1e6;
  assert.ok(told >= before - 3 && told <= Date.now() + 3, `${told} is not between ${before} and ${Date.now()}`);
});
