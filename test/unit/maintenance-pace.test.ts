import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Busyness } from '../../src/maintenance/job/busyness.js';
import { Pace } from '../../src/maintenance/job/pace.js';

const signal = new AbortController().signal;

/** A pace whose clock stands still but for its own waits. */
function paceAt(bytesPerSecond: number | undefined) {
  let now = 1000;
  const waits: number[] = [];
  const wait = async (milliseconds: number): Promise<void> => {
    waits.push(milliseconds);
    now += milliseconds;
  };
  return { pace: new Pace(bytesPerSecond, () => now, wait), waits, since: () => now - 1000 };
}

test('bytes are read at the rate asked for, small ones saved up', async () => {
  const { pace, waits, since } = paceAt(1_000_000);
  for (let n = 0; n < 1000; n++) await pace.spend(5000, signal);
  assert.ok(Math.abs(since() - 5000) <= 10, `${since()} ms`);
  assert.ok(waits.length <= 500);
});

test('nobody waits while nobody is busy and no rate was asked for; then a slow one counts', async () => {
  const { pace, waits } = paceAt(undefined);
  await pace.spend(1e12, signal);
  assert.deepEqual([waits, pace.rate], [[], undefined]);
  pace.busy = true;
  const busyRate = pace.rate ?? 0;
  assert.ok(busyRate >= 20e6, 'verify still gets its 20 MB/s');
  await pace.spend(busyRate, signal);
  assert.deepEqual(waits, [1000]);
  pace.busy = false;
  assert.equal(pace.rate, undefined);
});

test('a rate that was asked for is not raised by others being busy', () => {
  const { pace } = paceAt(1000);
  pace.busy = true;
  assert.equal(pace.rate, 1000);
});

test('a wait ends when the job is to end', async () => {
  const cancelled = new AbortController();
  const pace = new Pace(1);
  const spent = pace.spend(1e5, cancelled.signal);
  cancelled.abort();
  await spent;
});

test('the mount is busy from the first look that finds requests, and for some looks after the last', () => {
  const busyness = new Busyness(1000);
  const looks = (...more: number[]): boolean[] => {
    return more.map((requests) => {
      total += requests;
      busyness.look(total);
      return busyness.busy;
    });
  };
  let total = 1000;
  assert.deepEqual(looks(0, 4, 5, 0, 4, 600), [false, false, true, true, true, true]);
  assert.deepEqual(looks(0, 0, 0, 0, 0, 0, 0, 0, 0), [true, true, true, true, true, true, true, false, false]);
});
