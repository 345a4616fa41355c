import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { MEASURES, mostByThird, requireLevel, type Sample, sampleOf } from '../support/growth/footprints.js';
import { LOAD_GROUPS, StoreLoad } from '../support/kills/store-load.js';
import { type TestStore, withStore } from '../support/mounted-store.js';
import { Random, seedOfRun } from '../support/random.js';
import { readTree } from '../support/read-tree.js';
import { recordFigures, tortureSeconds } from '../support/torture-figures.js';

const MINUTES = 30;
const SAMPLES_EACH_MS = 2000;
/** The one with a chunk that is damaged now and then cannot always be read. */
const READ_GROUPS = LOAD_GROUPS.filter((group) => group !== 'host/victim');

/** Reads whole trees at random, live ones and snapshots, until told to end. @returns how many files */
async function readAround(store: TestStore, random: Random, isOver: () => boolean): Promise<number> {
  let files = 0;
  while (!isOver()) {
    const group = join(store.mountpoint, random.pick(READ_GROUPS));
    const tree = random.pick(readdirSync(group).filter((name) => name !== 'owner'));
    try {
      files += (await readTree(join(group, tree))).size;
    } catch (error) {
      // A snapshot may be forgotten and a file be replaced while they are read.
      assert.match(String((error as NodeJS.ErrnoException).code), /^(ENOENT|ESTALE)$/);
    }
  }
  return files;
}

async function sampled(store: TestStore, seconds: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const end = performance.now() + seconds * 1000; performance.now() < end; await delay(SAMPLES_EACH_MS)) {
    samples.push(sampleOf(store.pid, store.store));
  }
  return samples;
}

test('under a mixed load memory, descriptors, threads, journal and write-ahead log level off', async (t) => {
  const seed = seedOfRun(t);
  const folder = mkdtempSync(join(tmpdir(), 'cairn-growth-'));
  const figures: Record<string, number> = { minutes: tortureSeconds(MINUTES) / 60 };
  const body = async (store: TestStore): Promise<void> => {
    // Of the chunk that is corrupted to be found.
    store.log.expect(/corrupt|damaged/i);
    const load = new StoreLoad(store, { folder, seed, isKilled: () => false });
    try {
      let isOver = false;
      const running = Promise.all([load.run(), readAround(store, new Random(seed), () => isOver)]);
      const samples = await Promise.race([sampled(store, tortureSeconds(MINUTES)), running.then(() => [])]);
      isOver = true;
      load.end();
      const [, read] = await running;
      load.look();
      requireLevel(samples);
      figures.filesCompared = await load.judge();
      figures.filesRead = read;
      const most = mostByThird(samples);
      for (const measure of MEASURES) {
        most[measure].forEach((value, third) => {
          figures[`${measure}${third + 1}`] = value;
        });
      }
    } finally {
      load.remove();
    }
  };
  try {
    await withStore(body, { groups: LOAD_GROUPS });
  } finally {
    rmSync(folder, { recursive: true });
  }
  recordFigures('growth', seed, figures);
});
