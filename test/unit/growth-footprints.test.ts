import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requireLevel, type Sample } from '../support/growth/footprints.js';

const SAMPLE: Sample = { rss: 300e6, descriptors: 60, threads: 30, journal: 64e6, wal: 4e6 };

const samples = (change: (at: number) => Partial<Sample>): Sample[] =>
  Array.from({ length: 90 }, (_, at) => ({ ...SAMPLE, ...change(at) }));

test('what grows in the beginning and breathes later is level', () => {
  requireLevel(samples((at) => ({ rss: 200e6 + Math.min(at, 30) * 5e6 + (at % 7) * 3e6, journal: (at % 3) * 64e6 })));
});

for (const [measure, step] of Object.entries({ rss: 3e6, descriptors: 2, threads: 1, journal: 8e6, wal: 1e6 })) {
  test(`${measure} that goes on growing is found`, () => {
    const grown = samples((at) => ({ [measure]: SAMPLE[measure as keyof Sample] + at * step }));
    assert.throws(() => requireLevel(grown), new RegExp(`^AssertionError.*${measure} grew`));
  });
}
