import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const MIB = 1024 * 1024;

/** What a daemon holds at one moment; sizes in bytes. */
export interface Sample {
  readonly rss: number;
  readonly descriptors: number;
  readonly threads: number;
  readonly journal: number;
  readonly wal: number;
}

type Measure = keyof Sample;

/**
 * By how much the most of the last third may exceed the most of the middle third: a share of it, and an amount.
 * - rss: the heaps of V8 and malloc breathe with what happens to be under way; what leaks 200 bytes a request at 500
 *   requests a second is 60 MiB more after ten minutes.
 * - descriptors, threads: a few jobs and loads may or may not meet in one sample; a leak of one a job is hundreds.
 * - journal, wal: a segment of 64 MiB is kept or gone; the log is as long as the longest reader lets it be.
 */
const MARGINS: Readonly<Record<Measure, { share: number; amount: number }>> = {
  rss: { share: 0.1, amount: 32 * MIB },
  descriptors: { share: 0, amount: 40 },
  threads: { share: 0, amount: 8 },
  journal: { share: 0, amount: 128 * MIB },
  wal: { share: 0.1, amount: 16 * MIB },
};

export const MEASURES = Object.keys(MARGINS) as readonly Measure[];

/** @param store the datastore's folder */
export function sampleOf(pid: number, store: string): Sample {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const figure = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  const journal = join(store, '.cairn/journal');
  return {
    rss: figure('VmRSS') * 1024,
    threads: figure('Threads'),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    journal: readdirSync(journal).reduce((sum, name) => sum + sizeOf(join(journal, name)), 0),
    wal: sizeOf(join(store, '.cairn/catalog.db-wal')),
  };
}

/** A segment may go while it is looked at. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** The most of each measure in each third of the samples. */
export function mostByThird(samples: readonly Sample[]): Record<Measure, readonly [number, number, number]> {
  const length = Math.floor(samples.length / 3);
  const most = (measure: Measure, third: number): number =>
    Math.max(...samples.slice(third * length, (third + 1) * length).map((sample) => sample[measure]));
  const entries = MEASURES.map((measure) => [measure, [0, 1, 2].map((third) => most(measure, third))]);
  return Object.fromEntries(entries);
}

/** After a first third in which everything finds its size, nothing grows any more. @throws {assert.AssertionError} */
export function requireLevel(samples: readonly Sample[]): void {
  assert.ok(samples.length >= 9, `only ${samples.length} samples`);
  const most = mostByThird(samples);
  for (const measure of MEASURES) {
    const [, middle, last] = most[measure];
    const { share, amount } = MARGINS[measure];
    const allowed = middle * (1 + share) + amount;
    assert.ok(last <= allowed, `${measure} grew: at most ${most[measure].join(', then ')}; allowed was ${allowed}`);
  }
}
