import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { TestStore, withStore } from '../mounted-store.js';
import { Random } from '../random.js';
import { readTree } from '../read-tree.js';
import { cairnAside, runAside } from '../run-aside.js';
import { SoakSource } from '../soak/soak-content.js';
import { CutDisk } from './cut-disk.js';
import { findProgress, PromisedFiles, type Promises } from './promised-files.js';

const DISK_MIB = 1500;
const GROUP = 'host/x';

/** What was true when the power was cut. */
interface Cut {
  readonly before: Promises;
  readonly after: Promises;
  /** Snapshots whose making had been acknowledged: path of each file → SHA-256. */
  readonly snapshots: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

/** What a run of power cuts tried. */
export interface CutCounts {
  /** Cuts that lacked something acknowledged and not yet promised; only these count. */
  readonly cuts: number;
  /** Cuts after which nothing was missing. */
  readonly empty: number;
  readonly files: number;
  readonly snapshots: number;
}

/** Cuts the power so many times during one run of writers, then judges what each cut left. */
export async function cutAndJudge(seed: number, cuts: number): Promise<CutCounts> {
  const disk = new CutDisk(DISK_MIB);
  try {
    const made: Cut[] = [];
    let store = '';
    await withStore(
      async (mounted) => {
        store = relative(disk.root, mounted.store);
        const run = new CutRun(disk, mounted, seed);
        made.push(...(await run.make(cuts)));
      },
      { inside: disk.root, groups: [GROUP, 'host/rsynced'] },
    );
    const counts = { cuts: 0, empty: 0, files: 0, snapshots: 0 };
    for (const [number, cut] of made.entries()) {
      await disk.withCut(number, async (root) => {
        const lacking = await judge(join(root, store), cut);
        if (lacking > 0) counts.cuts += 1;
        else counts.empty += 1;
        counts.files += cut.before.size;
        counts.snapshots += cut.snapshots.size;
      });
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
  readonly #snapshots = new Map<string, ReadonlyMap<string, string>>();
  #isOver = false;

  constructor(disk: CutDisk, store: TestStore, seed: number) {
    this.#disk = disk;
    this.#store = store;
    this.#random = new Random(seed);
    const folder = join(store.mountpoint, GROUP, 'current/files');
    mkdirSync(folder);
    this.#files = new PromisedFiles(folder, seed);
    this.#source = new SoakSource(mkdtempSync(join(tmpdir(), 'cairn-source-')), seed);
  }

  async make(cuts: number): Promise<Cut[]> {
    const made: Cut[] = [];
    const cutting = async (): Promise<void> => {
      for (let number = 0; number < cuts; number++) {
        await this.#steps(this.#random.between(10, 120));
        const before = this.#files.promises();
        const snapshots = new Map(this.#snapshots);
        await this.#cutWhileWriting(number);
        made.push({ before, after: this.#files.promises(), snapshots });
      }
      this.#isOver = true;
    };
    try {
      await Promise.all([cutting(), this.#rsync(), this.#takeSnapshots()]);
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

  async #takeSnapshots(): Promise<void> {
    while (!this.#isOver) {
      const promised = this.#files.beforeSync();
      const output = await cairnAside(this.#store, 'snapshot', 'create', GROUP, '--json');
      promised();
      const { time } = JSON.parse(output) as { time: string };
      const name = `${GROUP}/${time}`;
      this.#snapshots.set(name, await readTree(join(this.#store.mountpoint, name)));
    }
  }
}

/** Mounts what a cut left; returns how many files lack something that had been acknowledged. */
async function judge(path: string, cut: Cut): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-after-cut-'));
  const store = new TestStore(folder);
  store.log.expect(/journal/i);
  symlinkSync(path, store.store);
  try {
    await store.mount();
    const lacking = await judgeFiles(join(store.mountpoint, GROUP, 'current/files'), cut);
    for (const [name, files] of cut.snapshots) {
      assert.deepEqual(await readTree(join(store.mountpoint, name)), files, `${name} is what it was`);
    }
    assert.deepEqual(store.status().problems, []);
    store.cairn('check', '--deep');
    await store.umount();
    return lacking;
  } catch (error) {
    console.error(store.report());
    throw error;
  } finally {
    await store.abandon();
    rmSync(folder, { recursive: true });
  }
}

async function judgeFiles(folder: string, { before, after }: Cut): Promise<number> {
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
