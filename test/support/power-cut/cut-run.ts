import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { type TestStore, withStore } from '../mounted-store.js';
import { Random } from '../random.js';
import { runAside } from '../run-aside.js';
import { SoakSource } from '../soak/soak-content.js';
import { CutDisk } from './cut-disk.js';
import { CutJobs, type JobCounts, type JobPromises } from './cut-jobs.js';
import { findProgress, PromisedFiles, type Promises } from './promised-files.js';
import { withStoreAfterCut } from './store-after-cut.js';

const DISK_MIB = 1500;
const GROUP = 'host/x';

/** What was true at a moment. */
interface Moment {
  readonly files: Promises;
  readonly jobs: JobPromises;
}

/** What was true when the power was about to be cut, and when it had been. */
interface Cut {
  readonly before: Moment;
  readonly after: Moment;
}

/** What a run of power cuts tried. */
export interface CutCounts {
  /** Cuts that lacked something acknowledged and not yet promised; only these count. */
  cuts: number;
  /** Cuts after which nothing was missing. */
  empty: number;
  /** Files and snapshots compared after cuts. */
  files: number;
  compared: number;
  /** What had been done to the store between the cuts. */
  readonly jobs: JobCounts;
}

/** Cuts the power so many times during one run of writers, then judges what each cut left. */
export async function cutAndJudge(seed: number, cuts: number): Promise<CutCounts> {
  const disk = new CutDisk(DISK_MIB);
  try {
    const made: Cut[] = [];
    let store = '';
    let jobs: CutJobs | undefined;
    await withStore(
      async (mounted) => {
        store = relative(disk.root, mounted.store);
        const run = new CutRun(disk, mounted, seed);
        jobs = run.jobs;
        made.push(...(await run.make(cuts)));
      },
      { inside: disk.root, groups: [GROUP, 'host/rsynced', 'host/cloned'] },
    );
    assert.ok(jobs !== undefined);
    const counts: CutCounts = { cuts: 0, empty: 0, files: 0, compared: 0, jobs: jobs.counts };
    for (const [number, cut] of made.entries()) {
      await disk.withCut(number, (root) => judge(join(root, store), cut, jobs as CutJobs, counts));
    }
    return counts;
  } finally {
    disk.remove();
  }
}

/** Writers at work on one store, with the power cut now and then. */
class CutRun {
  readonly #disk: CutDisk;
  readonly #store: TestStore;
  readonly #random: Random;
  readonly #files: PromisedFiles;
  readonly #source: SoakSource;
  readonly jobs: CutJobs;
  #isOver = false;

  constructor(disk: CutDisk, store: TestStore, seed: number) {
    this.#disk = disk;
    this.#store = store;
    this.#random = new Random(seed);
    const folder = join(store.mountpoint, GROUP, 'current/files');
    mkdirSync(folder);
    this.#files = new PromisedFiles(folder, seed);
    this.jobs = new CutJobs(store, GROUP, { files: this.#files, random: new Random(seed + 1) });
    this.#source = new SoakSource(mkdtempSync(join(tmpdir(), 'cairn-source-')), seed);
  }

  async make(cuts: number): Promise<Cut[]> {
    const made: Cut[] = [];
    const cutting = async (): Promise<void> => {
      for (let number = 0; number < cuts; number++) {
        await this.#steps(this.#random.between(10, 120));
        const before = this.#moment();
        await this.#cutWhileWriting(number);
        made.push({ before, after: this.#moment() });
      }
      this.#isOver = true;
    };
    try {
      await Promise.all([cutting(), this.#rsync(), this.#doJobs()]);
    } finally {
      this.#isOver = true;
      rmSync(this.#source.folder, { recursive: true });
    }
    return made;
  }

  async #steps(count: number): Promise<void> {
    for (let left = count; left > 0; left--) await this.#files.step();
  }

  async #cutWhileWriting(number: number): Promise<void> {
    let done = false;
    const cut = this.#disk.cut(number).finally(() => {
      done = true;
    });
    while (!done) await this.#files.step();
    await cut;
  }

  async #rsync(): Promise<void> {
    const target = join(this.#store.mountpoint, 'host/rsynced/current/');
    while (!this.#isOver) {
      await runAside('rsync', ['-a', '--delete', `${this.#source.folder}/`, target]);
      this.#source.change();
    }
  }

  async #doJobs(): Promise<void> {
    while (!this.#isOver) await this.jobs.step();
  }

  #moment(): Moment {
    return { files: this.#files.promises(), jobs: this.jobs.promises() };
  }
}

/** Mounts what a cut left, compares it with what was promised, and counts. */
function judge(path: string, { before, after }: Cut, jobs: CutJobs, counts: CutCounts): Promise<void> {
  return withStoreAfterCut(path, async (store) => {
    const written = join(store.mountpoint, GROUP, 'current/files');
    const lacking = await judgeFiles(written, before.files, after.files);
    counts[lacking > 0 ? 'cuts' : 'empty'] += 1;
    counts.files += before.files.size;
    counts.compared += await jobs.judge(store, before.jobs, after.jobs);
  });
}

/** @returns how many files lack something that had been acknowledged */
async function judgeFiles(folder: string, before: Promises, after: Promises): Promise<number> {
  let lacking = 0;
  for (const [name, promised] of before) {
    const found = await findProgress(folder, name);
    assert.ok(!('broken' in found), 'broken' in found ? found.broken : '');
    const most = after.get(name)?.issued ?? 0;
    const range = `${promised.durable} to ${most}`;
    assert.ok(found.progress >= promised.durable, `${name} is at ${found.progress}, promised was ${range}`);
    assert.ok(found.progress <= most, `${name} is at ${found.progress}, written was ${range}`);
    if (found.progress < promised.acknowledged) lacking += 1;
  }
  return lacking;
}
