import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkAllChunks } from '../check-chunks.js';
import { until } from '../commands.js';
import { waitingFile, withFuseControl } from '../fuse-control.js';
import { type TestStore, withStore } from '../mounted-store.js';
import { Random } from '../random.js';
import { Failpoints } from './failpoints.js';
import { type Kill, KillShim, MOMENTS } from './kill-shim.js';
import { LOAD_GROUPS, StoreLoad } from './store-load.js';

const MIB = 1024 * 1024;
/** A kill counts only if so much is dirty, and a request in flight. */
const LEAST_DIRTY_BYTES = MIB + 1;
/** Kills of one store; then a new one is made, so that judging stays short. */
const KILLS_PER_STORE = 25;
/** How long a failpoint may take to be reached; then the daemon is killed wherever it is. */
const REACHED_WITHIN_MS = 4000;
/** Fewer calls than that pass before one kills. */
const MAX_PASSING = 4;
/** Replay is bounded: SQLite commits every 5 s or 10,000 changes, and segments of 64 MiB go after that. */
const MAX_REPLAYED_CHANGES = 20_000;
const MAX_JOURNAL_BYTES = 256 * MIB;
const ANYWHERE = 'anywhere';

/** What a run of kills tried and survived. */
export interface KillCounts {
  /** Kills with more than 1 MiB dirty and a request in flight. */
  kills: number;
  /** Kills with less, judged all the same. */
  lesser: number;
  /** Files compared after the kills. */
  files: number;
  /** Changes that mounting replayed, the most at once. */
  mostReplayed: number;
}

/**
 * Kills daemons under load until so many kills count, and judges after each.
 * @param noteKill is told the failpoint of each kill that counts
 */
export async function killAndJudge(
  seed: number,
  wanted: number,
  noteKill: (failpoint: string) => void,
): Promise<KillCounts> {
  const counts: KillCounts = { kills: 0, lesser: 0, files: 0, mostReplayed: 0 };
  const failpoints = new Failpoints();
  for (let turn = 0; counts.kills < wanted; turn++) {
    const folder = mkdtempSync(join(tmpdir(), 'cairn-kills-'));
    const upTo = Math.min(counts.kills + KILLS_PER_STORE, wanted);
    try {
      await withFuseControl(folder, (control) =>
        withStore(
          (store) => new KillRun({ store, folder, control, failpoints, counts, noteKill }, seed + turn).run(upTo),
          { groups: LOAD_GROUPS },
        ),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  return counts;
}

interface KillRunParts {
  readonly store: TestStore;
  readonly folder: string;
  readonly control: string;
  readonly failpoints: Failpoints;
  readonly counts: KillCounts;
  noteKill(failpoint: string): void;
}

/** One store under load, and its daemons killed one after the other. */
class KillRun {
  readonly #parts: KillRunParts;
  readonly #random: Random;
  readonly #shim: KillShim;
  readonly #load: StoreLoad;
  #isKilling = false;

  constructor(parts: KillRunParts, seed: number) {
    const { store, folder } = parts;
    this.#parts = parts;
    this.#random = new Random(seed);
    this.#shim = new KillShim(folder, realpathSync(store.store));
    const isKilled = (): boolean => this.#isKilling || this.#shim.killed() !== undefined;
    this.#load = new StoreLoad(store, { folder, seed, isKilled });
    // Of the chunk that is corrupted to be found.
    store.log.expect(/corrupt|damaged/i);
  }

  /** Kills daemons until so many kills count in all. */
  async run(upTo: number): Promise<void> {
    const { store, counts } = this.#parts;
    store.environment = this.#shim.environment;
    try {
      await store.remount();
      while (counts.kills < upTo) {
        await this.#killUnderLoad();
        await this.#mount();
        counts.files += await this.#load.judge();
      }
      await store.remount();
      counts.files += await this.#load.judge();
      store.environment = {};
      // Corrupt chunks that were set aside go as well.
      store.cairn('gc', '--full', '--grace', '0');
      await store.umount();
      checkAllChunks(store.store);
    } finally {
      // What still runs after a failure is no failure of its own.
      this.#isKilling = true;
      this.#load.remove();
      this.#shim.close();
    }
  }

  async #killUnderLoad(): Promise<void> {
    const { store, counts, failpoints, noteKill } = this.#parts;
    const load = this.#load.run();
    const kill = await this.#kill();
    await store.kill9();
    await load;
    failpoints.killed(kill.failpoint);
    const isEnough = kill.dirtyBytes >= LEAST_DIRTY_BYTES && kill.waitingRequests > 0;
    if (isEnough) noteKill(kill.failpoint);
    counts[isEnough ? 'kills' : 'lesser'] += 1;
  }

  /** Kills the daemon at a failpoint where one is reached, else wherever it is. */
  async #kill(): Promise<Kill> {
    const { store, control, failpoints } = this.#parts;
    const waiting = waitingFile(control, store.mountpoint);
    await this.#looking('dirty bytes', 30_000, () => this.#shim.dirtyBytes() >= LEAST_DIRTY_BYTES);
    const spent = failpoints.spent(this.#shim.points().keys());
    if (spent === undefined) return this.#killAnywhere(waiting);
    this.#shim.arm({
      ...{ spent, passing: this.#random.below(MAX_PASSING), moment: this.#random.pick(MOMENTS) },
      ...{ leastDirtyBytes: LEAST_DIRTY_BYTES, waitingFile: waiting },
    });
    const deadline = performance.now() + REACHED_WITHIN_MS;
    const kill = await this.#looking(
      'a failpoint',
      2 * REACHED_WITHIN_MS,
      () => this.#shim.killed() ?? (performance.now() > deadline && 'none'),
    );
    if (kill !== 'none') return kill;
    this.#shim.disarm();
    return this.#killAnywhere(waiting);
  }

  async #killAnywhere(waiting: string): Promise<Kill> {
    const moment = performance.now() + this.#random.below(300);
    const figures = (): Kill => ({
      failpoint: ANYWHERE,
      dirtyBytes: this.#shim.dirtyBytes(),
      waitingRequests: Number(readFileSync(waiting, 'utf8')),
    });
    const isEnough = ({ dirtyBytes, waitingRequests }: Kill): boolean =>
      dirtyBytes >= LEAST_DIRTY_BYTES && waitingRequests > 0;
    return await this.#looking('a request in flight', 30_000, () => {
      // A failpoint that was waited for may be reached after all.
      const kill = this.#shim.killed() ?? figures();
      if (kill.failpoint !== ANYWHERE) return kill;
      if (performance.now() < moment || !isEnough(kill)) return undefined;
      this.#isKilling = true;
      process.kill(this.#parts.store.pid, 'SIGKILL');
      return kill;
    });
  }

  /** As `until`, looking after the load. */
  async #looking<T>(what: string, limitMilliseconds: number, condition: () => T | undefined | false): Promise<T> {
    return until(
      what,
      () => {
        this.#load.look();
        return condition();
      },
      limitMilliseconds,
    );
  }

  /** Mounts again; what is replayed is bounded. */
  async #mount(): Promise<void> {
    const { store, counts } = this.#parts;
    const journal = join(store.store, '.cairn/journal');
    const bytes = readdirSync(journal).reduce((sum, name) => sum + statSync(join(journal, name)).size, 0);
    assert.ok(bytes <= MAX_JOURNAL_BYTES, `the journal has ${bytes} bytes`);
    this.#shim.disarm();
    await store.mount();
    this.#shim.forget();
    this.#isKilling = false;
    const replayed =
      store.log.fieldOf('The journal brought back changes the catalog lacked', 'changes', store.pid) ?? 0;
    assert.ok(replayed <= MAX_REPLAYED_CHANGES, `${replayed} changes were replayed`);
    counts.mostReplayed = Math.max(counts.mostReplayed, replayed);
  }
}
