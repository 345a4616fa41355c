import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { outputOf } from '../commands.js';
import type { TestStore } from '../mounted-store.js';
import { Random } from '../random.js';
import { cairnAside, runAside } from '../run-aside.js';
import { isWholeContent, SoakSource, sha256 } from './soak-content.js';

const GROUPS = ['host/a', 'host/b'];

/** What a soak did. */
export interface SoakCounts {
  rsyncs: number;
  snapshots: number;
  forgets: number;
  prunes: number;
  collections: number;
  scrubs: number;
  kills: number;
}

/** Path of each file in a snapshot → SHA-256 of its bytes. */
type Recorded = ReadonlyMap<string, string>;

/**
 * rsync writers, snapshots, forgetting, pruning, collections, scrubs and kills of the daemon, at random and at the same
 * time. What happens when is random beyond the seed: processes race.
 */
export class Soak {
  readonly counts: SoakCounts = {
    ...{ rsyncs: 0, snapshots: 0, forgets: 0, prunes: 0, collections: 0, scrubs: 0, kills: 0 },
  };
  readonly #store: TestStore;
  readonly #random: Random;
  readonly #sources: ReadonlyMap<string, SoakSource>;
  /** Snapshots by `group/time`. */
  readonly #recorded = new Map<string, Recorded>();
  readonly #underWay = new Set<Promise<void>>();
  #deadline = 0;
  #least = 0;
  /** Resolves when the daemon serves. */
  #mounted: Promise<void> = Promise.resolve();

  constructor(store: TestStore, seed: number) {
    this.#store = store;
    this.#random = new Random(seed);
    this.#sources = new Map(
      GROUPS.map((group, index) => {
        const folder = join(store.folder, `source-${index}`);
        mkdirSync(folder);
        mkdirSync(join(store.mountpoint, group), { recursive: true });
        return [group, new SoakSource(folder, seed + index)];
      }),
    );
  }

  /** Runs for so many seconds and until there is enough of each, and leaves the store mounted and quiet. */
  async run(seconds: number, least: number): Promise<void> {
    this.#least = least;
    this.#deadline = performance.now() + seconds * 1000;
    await Promise.all([...GROUPS.map((group) => this.#write(group)), this.#manage(), this.#kill(seconds)]);
    await this.#mounted;
  }

  /** Every snapshot that is left has every byte it had when it was made. Returns how many files were compared. */
  async judgeSnapshots(): Promise<number> {
    await this.#recordNew();
    let files = 0;
    for (const name of this.#names()) {
      const before = this.#recorded.get(name);
      assert.ok(before !== undefined, `${name} was recorded`);
      assert.deepEqual(await this.#read(name), before, `${name} is what it was`);
      files += before.size;
    }
    return files;
  }

  /** A last rsync makes each live tree what its source is. */
  judgeLiveTrees(): void {
    for (const [group, source] of this.#sources) {
      const current = join(this.#store.mountpoint, group, 'current');
      outputOf('rsync', ['-a', '--checksum', '--delete', `${source.folder}/`, `${current}/`]);
      assert.equal(source.differenceTo(current), undefined);
    }
  }

  /** Empties the live trees. */
  emptyLiveTrees(): void {
    for (const group of GROUPS) {
      const current = join(this.#store.mountpoint, group, 'current');
      for (const name of readdirSync(current)) outputOf('rm', ['-rf', join(current, name)]);
    }
  }

  get #isOver(): boolean {
    const { snapshots, collections, kills } = this.counts;
    return performance.now() >= this.#deadline && Math.min(snapshots, collections, kills) >= this.#least;
  }

  async #write(group: string): Promise<void> {
    const source = this.#sources.get(group) as SoakSource;
    const target = join(this.#store.mountpoint, group, 'current');
    while (!this.#isOver) {
      await this.#unlessKilled(`rsync into ${group}`, async () => {
        await runAside('rsync', ['-a', '--checksum', '--delete', `${source.folder}/`, `${target}/`]);
        this.counts.rsyncs += 1;
      });
      source.change();
    }
  }

  /** One thing after the other: snapshots come often enough that something is there to be forgotten. */
  async #manage(): Promise<void> {
    while (!this.#isOver) {
      const dice = this.#random.below(12);
      const group = this.#random.pick(GROUPS);
      if (dice < 4) await this.#snapshot(group);
      else if (dice < 6) await this.#forget();
      else if (dice < 7) await this.#command('prunes', ['prune', group, '--keep-last', '3']);
      else if (dice < 10) await this.#command('collections', ['gc', '--grace', '0s']);
      else await this.#command('scrubs', ['verify']);
    }
  }

  async #snapshot(group: string): Promise<void> {
    await this.#command('snapshots', ['snapshot', 'create', group]);
    await this.#unlessKilled('reading a new snapshot', () => this.#recordNew());
  }

  async #forget(): Promise<void> {
    const names = [...this.#recorded.keys()];
    if (names.length < 3) return;
    await this.#command('forgets', ['snapshot', 'forget', this.#random.pick(names)]);
  }

  async #command(counted: keyof SoakCounts, args: readonly string[]): Promise<void> {
    await this.#unlessKilled(args.join(' '), async () => {
      await cairnAside(this.#store, ...args);
      this.counts[counted] += 1;
    });
    if (counted === 'prunes' || counted === 'forgets') {
      await this.#unlessKilled('listing snapshots', async () => this.#dropForgotten());
    }
  }

  async #kill(seconds: number): Promise<void> {
    const kills = Math.max(3, Math.floor(seconds / 15));
    for (let left = kills; left > 0 && !this.#isOver; left--) {
      const rest = this.#deadline - performance.now();
      await after((rest / left) * ((2 + this.#random.below(7)) / 10));
      this.counts.kills += 1;
      this.#mounted = this.#killAndMount();
      await this.#mounted;
    }
  }

  /** A command that finds no daemon works on the store itself, so mounting waits for those under way. */
  async #killAndMount(): Promise<void> {
    await this.#store.kill9();
    await Promise.allSettled(this.#underWay);
    await this.#store.mount();
  }

  /** Does something that may fail for no other reason than a kill of the daemon meanwhile. */
  async #unlessKilled(what: string, work: () => Promise<void>): Promise<void> {
    await this.#mounted;
    const kills = this.counts.kills;
    const working = work();
    this.#underWay.add(working);
    try {
      await working;
    } catch (error) {
      if (kills === this.counts.kills) {
        throw new Error(`${what} failed though nobody killed the daemon`, { cause: error });
      }
    } finally {
      this.#underWay.delete(working);
    }
  }

  #names(): string[] {
    const listed = JSON.parse(this.#store.cairn('snapshot', 'list', '--json')) as readonly {
      group: string;
      time: string;
    }[];
    return listed.map(({ group, time }) => `${group}/${time}`);
  }

  #dropForgotten(): void {
    const there = new Set(this.#names());
    for (const name of this.#recorded.keys()) if (!there.has(name)) this.#recorded.delete(name);
  }

  async #recordNew(): Promise<void> {
    for (const name of this.#names()) {
      if (!this.#recorded.has(name)) this.#recorded.set(name, await this.#read(name));
    }
  }

  /** Reads a snapshot; files with their final names must be what a writer wrote. */
  async #read(name: string): Promise<Recorded> {
    const folder = join(this.#store.mountpoint, name);
    const hashes = new Map<string, string>();
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const bytes = await readFile(path);
      // rsync's temporary files begin with a dot and may be of any length.
      assert.ok(entry.name.startsWith('.') || isWholeContent(bytes), `${path} has bytes nobody wrote`);
      hashes.set(path, sha256(bytes));
    }
    return hashes;
  }
}

function after(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
