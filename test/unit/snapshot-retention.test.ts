import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KEEP_RULES, type KeepCounts } from '../../src/core/keep-counts.js';
import { judge, type RetentionSnapshot } from '../../src/snapshot/prune/retention.js';

/** A snapshot of local time; `P` at the end: protected, `U`: unfinished. */
function at(text: string): RetentionSnapshot & { readonly text: string } {
  const marks = /[PU]*$/.exec(text)?.[0] ?? '';
  const plain = text.slice(0, text.length - marks.length);
  const full = /^\d\d:\d\d$/.test(plain) ? `2026-03-02T${plain}:00` : plain.length === 10 ? `${plain}T12:00:00` : plain;
  const time = new Date(full).getTime() / 1000;
  return { text, time, isFinished: !marks.includes('U'), isProtected: marks.includes('P') };
}

function removed(texts: string, counts: KeepCounts): string[] {
  const judged = judge(texts.split(' ').map(at), counts);
  return judged
    .filter(({ verdict }) => !verdict.keep)
    .map(({ snapshot }) => snapshot.text)
    .reverse();
}

/** Each with its reason, oldest first. */
function reasons(texts: string, counts: KeepCounts): string[] {
  const judged = judge(texts.split(' ').map(at), counts);
  return judged.map(({ snapshot, verdict }) => `${snapshot.text} ${verdict.reason}`).reverse();
}

test('one hour keeps its newest snapshot', () => {
  const day = '09:39 10:49 10:59 11:39 11:49 11:59';
  assert.deepEqual(removed(day, { hourly: 3 }), ['10:49', '11:39', '11:49']);
  assert.deepEqual(removed(day, { hourly: 2 }), ['09:39', '10:49', '11:39', '11:49']);
});

test('protected snapshots stay and are not counted', () => {
  assert.deepEqual(removed('09:39P 10:39 10:49 10:59P', { last: 1 }), ['10:39']);
  assert.deepEqual(removed('09:39PU 10:39', { last: 1 }), []);
});

test('a rule counts only periods that none before it covers', () => {
  const days = '2026-12-01 2026-12-02 2026-12-03 2026-12-04';
  assert.deepEqual(reasons(days, { last: 1, daily: 1 }), [
    '2026-12-01 not covered',
    '2026-12-02 not covered',
    '2026-12-03 daily',
    '2026-12-04 last',
  ]);
});

test('without a rule, or with all of them 0, everything is kept', () => {
  for (const counts of [{}, { last: 0, yearly: 0 }]) assert.deepEqual(removed('09:39U 10:39 10:49', counts), []);
});

test('of unfinished ones only the newest of all may still become something', () => {
  assert.deepEqual(removed('09:00U 10:00 11:00U', { last: 1 }), ['09:00U']);
  assert.deepEqual(removed('09:00U 10:00U 11:00', { last: 5 }), ['09:00U', '10:00U']);
  assert.deepEqual(reasons('10:00 11:00U', { last: 1 }), ['10:00 last', '11:00U partial']);
});

test('what stands for the same period is not looked at by later rules', () => {
  // 10:00 goes with the daily rule though the monthly one would have room.
  assert.deepEqual(reasons('2026-01-31 10:00 11:00', { daily: 1, monthly: 5 }), [
    '2026-01-31 monthly',
    '10:00 same period as a daily one',
    '11:00 daily',
  ]);
});

test('weeks are those of ISO 8601, also around New Year', () => {
  // 2026-12-31 is a Thursday: week 53 of 2026 runs from 2026-12-28 to 2027-01-03.
  const days = '2026-12-27 2026-12-28 2027-01-03 2027-01-04';
  assert.deepEqual(removed(days, { weekly: 9 }), ['2026-12-28']);
  assert.deepEqual(removed('2024-12-29 2024-12-30 2025-01-05', { weekly: 9 }), ['2024-12-30']);
  assert.deepEqual(removed('2026-12-27 2026-12-31 2027-01-01', { yearly: 9 }), ['2026-12-27']);
});

const snapshots = fc.uniqueArray(
  fc.record({
    // Two years in steps that make periods collide.
    time: fc.integer({ min: 0, max: 4 * 24 * 730 }).map((quarter) => 1_700_000_000 + quarter * 900),
    isFinished: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
    isProtected: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  }),
  { selector: ({ time }) => time, maxLength: 60 },
);
const counts = fc.record(Object.fromEntries(KEEP_RULES.map((rule) => [rule, fc.integer({ min: 0, max: 5 })])));

function keptTimes(list: readonly RetentionSnapshot[], rules: KeepCounts): Set<number> {
  return new Set(
    judge(list, rules)
      .filter(({ verdict }) => verdict.keep)
      .map(({ snapshot }) => snapshot.time),
  );
}

test('properties: nothing protected goes, the newest stays, counts are upper bounds, a second run changes nothing', () => {
  fc.assert(
    fc.property(snapshots, counts, (list, rules) => {
      const kept = keptTimes(list, rules);
      for (const { time, isProtected } of list) if (isProtected) assert.ok(kept.has(time));
      const finished = list.filter(({ isFinished }) => isFinished).map(({ time }) => time);
      if (finished.length > 0) assert.ok(kept.has(Math.max(...finished)), 'the newest finished snapshot goes');
      const judged = judge(list, rules);
      assert.equal(judged.length, list.length);
      for (const rule of KEEP_RULES) {
        const byRule = judged.filter(({ verdict }) => verdict.keep && verdict.reason === rule);
        assert.ok(byRule.length <= (rules[rule] ?? 0), `${rule} keeps ${byRule.length}`);
      }
      const survivors = list.filter(({ time }) => kept.has(time));
      assert.deepEqual(keptTimes(survivors, rules), kept, 'pruning twice removes more than pruning once');
    }),
    { numRuns: 500 },
  );
});

test('properties: the order given means nothing, and asking for more never keeps fewer', () => {
  fc.assert(
    fc.property(snapshots, counts, fc.constantFrom(...KEEP_RULES), (list, rules, rule) => {
      const kept = keptTimes(list, rules);
      assert.deepEqual(keptTimes([...list].reverse(), rules), kept);
      const single = { [rule]: rules[rule] ?? 0 };
      if ((single[rule] ?? 0) === 0) return;
      const more = keptTimes(list, { [rule]: (single[rule] ?? 0) + 1 });
      for (const time of keptTimes(list, single)) assert.ok(more.has(time));
    }),
    { numRuns: 500 },
  );
});

test('property: a new snapshot brought by time removes at most one kept by each rule', () => {
  fc.assert(
    fc.property(snapshots, counts, fc.integer({ min: 1, max: 100_000 }), (any, rules, later) => {
      const list = any.filter(({ isFinished }) => isFinished);
      const before = keptTimes(list, rules);
      const newest = Math.max(1_700_000_000, ...list.map(({ time }) => time));
      const after = keptTimes([...list, { time: newest + later, isFinished: true, isProtected: false }], rules);
      assert.ok(after.has(newest + later));
      const active = KEEP_RULES.filter((rule) => (rules[rule] ?? 0) > 0).length;
      const gone = [...before].filter((time) => !after.has(time));
      if (active > 0) assert.ok(gone.length <= active, `${gone.length} go with ${active} rules`);
      else assert.equal(gone.length, 0);
    }),
    { numRuns: 500 },
  );
});
