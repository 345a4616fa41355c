import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { outputLater, outputOf } from '../support/commands.js';
import { assertSameTree } from '../support/compare-trees.js';
import type { TestStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';
import { OwnS3Server } from '../support/own-s3-server.js';
import { Random, seedOfRun } from '../support/random.js';
import { recordFigures, tortureSeconds } from '../support/torture-figures.js';
import { cairn, Machines, untilDone } from '../support/two-machines.js';

const DEMANDED_MINUTES = 30;
/** Contents all machines draw from, so that they share chunks. */
const CONTENTS = 40;
const KEPT = 4;
const FIRST_TIME = 1_700_000_000;

interface Place {
  readonly store: TestStore;
  readonly group: string;
  readonly source: string;
  /** By time of the snapshot: a copy of what was its source. */
  readonly saved: Map<string, string>;
}

test('two machines on one bucket are killed, and so is the server: all snapshots of both stay what they are', async (t) => {
  const seed = seedOfRun(t);
  const random = new Random(seed);
  const server = await OwnS3Server.start();
  const machines = new Machines(server.settings);
  const counts = { steps: 0, snapshots: 0, kills: 0, outages: 0, collections: 0, forgotten: 0 };
  try {
    const places: Place[] = [];
    for (const group of ['host/a', 'host/b']) {
      const store = machines.add();
      await store.mount();
      mkdirSync(join(store.mountpoint, group));
      const source = join(machines.folder, `source-${places.length}`);
      mkdirSync(source);
      places.push({ store, group, source, saved: new Map() });
      await untilDone('sync', () => store.run(['sync']));
    }
    const until = performance.now() + tortureSeconds(DEMANDED_MINUTES) * 1000;
    while (performance.now() < until) {
      counts.steps += 1;
      await step(random, server, places, counts);
    }
    await settle(places);
    const compared = places.reduce((sum, place) => sum + compare(place, places), 0);
    t.diagnostic(`${compared} snapshots compared on both; ${JSON.stringify(counts)}`);
    recordFigures('two-machines', seed, { ...counts, compared });
  } catch (error) {
    for (const store of machines.stores) console.error(store.report());
    throw error;
  } finally {
    await machines.end();
    server.end();
  }
});

type Counts = Record<'steps' | 'snapshots' | 'kills' | 'outages' | 'collections' | 'forgotten', number>;

async function step(random: Random, server: OwnS3Server, places: readonly Place[], counts: Counts): Promise<void> {
  const place = random.pick(places);
  const { store, group, saved } = place;
  const isDown = random.below(6) === 0;
  if (isDown) {
    server.down();
    counts.outages += 1;
  }
  change(random, place, FIRST_TIME + counts.steps);
  await write(place);
  await snapshot(place);
  counts.snapshots += 1;
  if (random.below(3) === 0) {
    // While it uploads, or others wait for it.
    const doing = random.pick([['sync'], ['gc', '--grace', '0'], ['refresh']]);
    const asking = cairn(store, ...doing).catch(() => undefined);
    await delay(random.between(50, 3000));
    await store.kill9();
    await asking;
    counts.kills += 1;
    await store.mount();
  }
  if (isDown) server.up();
  while (saved.size > KEPT) {
    const [time, copy] = random.pick([...saved]);
    await untilDone('forget', () => store.run(['snapshot', 'forget', `${group}/${time}`]));
    rmSync(copy, { recursive: true });
    saved.delete(time);
    counts.forgotten += 1;
  }
  if (random.below(2) === 0) {
    const { status } = random.pick(places).store.run(['gc', '--grace', '0']);
    if (status === 0) counts.collections += 1;
  }
}

/** Times differ in seconds: rsync takes those of the same second for the same. */
function change(random: Random, { source }: Place, at: number): void {
  for (let files = random.between(1, 12); files > 0; files -= 1) {
    const path = join(source, `file-${random.below(20)}`);
    if (random.below(4) === 0) rmSync(path, { force: true });
    else {
      const content = random.below(CONTENTS);
      writeFileSync(path, noise(`content ${content}`, 500 + content * 40_000));
      utimesSync(path, at, at);
    }
  }
  utimesSync(source, at, at);
}

async function write({ store, group, source }: Place): Promise<void> {
  await outputLater('rsync', [
    '-aHAX',
    '--checksum',
    '--delete',
    `${source}/`,
    join(store.mountpoint, group, 'current/'),
  ]);
}

async function snapshot({ store, group, source, saved }: Place): Promise<void> {
  const { time } = JSON.parse(store.cairn('snapshot', 'create', '--json', group)) as { time: string };
  const copy = `${source}-${time}`;
  outputOf('cp', ['-a', source, copy]);
  saved.set(time, copy);
}

async function settle(places: readonly Place[]): Promise<void> {
  for (const { store } of places) await untilDone('sync', () => store.run(['sync']));
  for (const { store } of places) {
    await untilDone('gc', () => store.run(['gc', '--grace', '0']));
    await untilDone('refresh', () => store.run(['refresh']));
  }
}

/** What one machine made both have. */
function compare({ group, saved }: Place, places: readonly Place[]): number {
  for (const { store } of places) {
    const times = readdirSync(join(store.mountpoint, group)).filter((name) => /^\d{4}-/.test(name));
    assert.deepEqual(times.sort(), [...saved.keys()].sort());
    for (const [time, copy] of saved) assertSameTree(copy, join(store.mountpoint, group, time));
    store.cairn('verify');
  }
  return saved.size;
}
