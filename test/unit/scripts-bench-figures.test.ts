import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

interface Trial {
  readonly family: string;
  readonly system: string;
  readonly round: number;
  readonly figures?: Record<string, number>;
  readonly failed?: string;
}
interface FiguresModule {
  median(values: readonly number[]): number;
  spread(values: readonly number[]): string;
  ratios(ours: ReadonlyMap<number, number>, theirs: ReadonlyMap<number, number>): number[];
}
interface ReportModule {
  report(trials: readonly Trial[], lacking: ReadonlyMap<string, string>, heading: string): string;
}
interface PlanModule {
  trials(withPeers: boolean, rounds: number, only?: ReadonlySet<string>): Trial[];
}

const load = async (name: string): Promise<unknown> => import(pathToFileURL(resolve('scripts/benchmark', name)).href);
const { median, spread, ratios } = (await load('figures.mjs')) as FiguresModule;
const { report } = (await load('report.mjs')) as ReportModule;
const { trials } = (await load('plan.mjs')) as PlanModule;

const trial = (system: string, round: number, figures: Record<string, number>): Trial => {
  return { family: 'small', system, round, figures };
};

/** The line of a report that begins with a title. */
function line(text: string, title: string): string {
  const found = text.split('\n').find((one) => one.startsWith(`| ${title}`));
  assert.ok(found !== undefined, `no row ${title} in\n${text}`);
  return found;
}

test('the median of an even number of values is the mean of the two in the middle', () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 2, 9]), 3);
});

test('a spread is min, median and max; one value stands for itself', () => {
  assert.equal(spread([3, 1, 2]), '1.00 – 2.00 – 3.00');
  assert.equal(spread([250]), '250');
  assert.equal(spread([]), '');
});

test('ratios are taken within rounds, and rounds that one side lacks are left out', () => {
  const ours = new Map([
    [0, 2],
    [1, 30],
    [2, 5],
  ]);
  const theirs = new Map([
    [0, 4],
    [1, 10],
  ]);
  assert.deepEqual(ratios(ours, theirs), [0.5, 3]);
});

test('a bar is judged by the median of the ratios', () => {
  const rounds = [5, 6, 20].flatMap((seconds, round) => [
    trial('cairn', round, { 'small/in': seconds }),
    trial('bindfs', round, { 'small/in': 10 }),
  ]);
  assert.match(
    line(report(rounds, new Map(), 'h'), 'rsync of 20,000'),
    /bindfs 0\.50 – 0\.60 – 2\.00 \(\*\*over\*\* 0\.55\)/,
  );
  const faster = rounds.map((one) =>
    one.round === 1 ? trial(one.system, 1, { 'small/in': one.system === 'cairn' ? 5 : 10 }) : one,
  );
  assert.match(line(report(faster, new Map(), 'h'), 'rsync of 20,000'), /\(within 0\.55\)/);
});

test('a bar without another system is judged by the worst round', () => {
  const rounds = [400, 510, 420].map((mebibytes, round) => trial('cairn', round, { 'small/peak memory': mebibytes }));
  assert.match(line(report(rounds, new Map(), 'h'), 'peak memory: small'), /\(\*\*over\*\* 500\)/);
});

test('a rate has to reach its bar', () => {
  const figures = { 'random/writes with fsync, 1 job: IOPS': 100 };
  const slower = { 'random/writes with fsync, 1 job: IOPS': 29 };
  const text = report([trial('ext4', 0, figures), trial('cairn', 0, slower)], new Map(), 'h');
  assert.match(line(text, 'random 4 KiB writes to it'), /ext4 0\.29 \(\*\*below\*\* 0\.3\)/);
});

test('stored bytes are held against the best of others, round by round', () => {
  const rounds = [
    trial('cairn', 0, { 'direct small/stored': 103 }),
    trial('restic', 0, { 'direct small/stored': 200 }),
    trial('borg', 0, { 'direct small/stored': 100 }),
  ];
  assert.match(line(report(rounds, new Map(), 'h'), 'stored'), /best of restic and borg 1\.03 \(within 1\.03\)/);
});

test('what was left out and what failed is named below the tables', () => {
  const failed = { family: 'large', system: 'btrfs', round: 1, failed: 'no loop device' };
  const text = report([trial('cairn', 0, { 'small/in': 1 }), failed], new Map([['bup', 'bup is not installed']]), 'h');
  assert.match(text, /- Left out: bup \(bup is not installed\)\./);
  assert.match(text, /- Failed in round 2: large on btrfs: no loop device/);
});

test('each round has another system first, and no trial comes twice', () => {
  const planned = trials(true, 3);
  const first = [0, 1, 2].map(
    (round) => planned.find((one) => one.family === 'direct small' && one.round === round)?.system,
  );
  assert.equal(new Set(first).size, 3);
  const names = planned.map(({ family, system, round }) => `${family} ${system} ${round}`);
  assert.equal(new Set(names).size, names.length);
});
