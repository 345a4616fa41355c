import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { TestStore } from '../mounted-store.js';
import { Random } from '../random.js';
import { ClosedFiles } from './closed-files.js';
import { CorruptedChunk } from './corrupted-chunk.js';
import { FioLoad } from './fio-load.js';
import { type Finished, RsyncLoad } from './rsync-load.js';
import { StoreJobs } from './store-jobs.js';

const WRITERS = 2;

/** The groups a load works in. */
export const LOAD_GROUPS = ['host/work', 'host/rsynced', 'host/victim', 'host/cloned'];

/** Writers, rsync, fio and jobs at work on one store, until its daemon is killed; each knows what must be there then. */
export class StoreLoad {
  readonly #files: readonly ClosedFiles[];
  readonly #rsync: RsyncLoad;
  readonly #fio: FioLoad;
  readonly #jobs: StoreJobs;
  /** Whether the daemon is dead, or is about to be. */
  readonly #isKilled: () => boolean;
  #isOver = true;
  #failure: unknown;
  #finished: Finished;

  /** @param folder where sources of the load may lie */
  constructor(store: TestStore, parts: { folder: string; seed: number; isKilled: () => boolean }) {
    const { folder, seed } = parts;
    const treeOf = (group: string): string => join(store.mountpoint, group, 'current');
    this.#isKilled = parts.isKilled;
    this.#files = Array.from(
      { length: WRITERS },
      (_, i) => new ClosedFiles(join(treeOf('host/work'), `w${i}`), seed + i),
    );
    this.#rsync = new RsyncLoad(folder, join(treeOf('host/rsynced'), 'tree'), seed);
    this.#finished = this.#rsync.finished();
    this.#fio = new FioLoad(join(treeOf('host/rsynced'), 'fio'));
    const victim = new CorruptedChunk(treeOf('host/victim'), realpathSync(store.store), seed);
    this.#jobs = new StoreJobs(store, 'host/work', { random: new Random(seed), victim });
  }

  /** Begins; resolves when all of it has ended because the daemon was killed, or `end` was called. */
  async run(): Promise<void> {
    this.#isOver = false;
    await Promise.all([
      ...this.#files.map((files) => this.#repeat('a writer', () => files.step())),
      this.#repeat('rsync', () => this.#rsync.run()),
      this.#repeat('fio', () => this.#fio.run()),
      this.#repeat('a job', () => this.#jobs.run()),
    ]);
  }

  /**
   * To be called now and then while it runs: notes what rsync has finished, which no kill from here on may take away.
   * @throws what made a part of the load fail before the daemon was killed
   */
  look(): void {
    if (this.#failure !== undefined) throw this.#failure;
    const finished = this.#rsync.finished();
    // What rsync prints once the daemon is dead says nothing: it prints names of files it fails to write as well.
    if (!this.#isKilled()) this.#finished = finished;
  }

  /** After the next mount: everything is there. @returns how many files were compared */
  async judge(): Promise<number> {
    let files = this.#rsync.judge(this.#finished);
    this.#finished = this.#rsync.finished();
    for (const written of this.#files) files += await written.judge();
    files += await this.#fio.judge();
    files += await this.#jobs.judge();
    await this.#jobs.check();
    return files;
  }

  /** Has it end by itself: `run` resolves when what is under way is done. */
  end(): void {
    this.#isOver = true;
  }

  /** Takes its sources away. */
  remove(): void {
    this.#isOver = true;
    this.#rsync.end();
  }

  async #repeat(what: string, work: () => Promise<void>): Promise<void> {
    try {
      while (!this.#isOver) await work();
    } catch (error) {
      // The cause is told here: test reports leave causes out.
      const told = error instanceof Error ? error.stack : String(error);
      if (!this.#isKilled()) this.#failure = new Error(`${what} failed though nobody killed the daemon: ${told}`);
      this.#isOver = true;
    }
  }
}
