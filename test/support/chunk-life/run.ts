import { digestHex } from '../../../src/core/digest.js';
import { Random } from '../random.js';
import {
  collector,
  committer,
  copier,
  Doings,
  deleter,
  forgetter,
  packer,
  quarantiner,
  snapshotJob,
  verifier,
  writer,
} from './actors.js';
import { Disk } from './disk.js';
import { Tables } from './model-catalog.js';
import { settled, Turns } from './turns.js';
import { CHUNKS, chunkOf, isIntact, lengthsOf, World } from './world.js';

const STEPS = 400;

export type Actor = (world: World, doings: Doings) => Promise<void>;

const ALL_ACTORS: readonly Actor[] = [
  ...[writer, packer, copier, deleter, committer, collector, snapshotJob, forgetter, quarantiner, verifier],
];

/** What a run is like. Runs differ, since what is rare in one mixture of actors is common in another. */
export interface Mixture {
  /** Each as often as it is likely to come. */
  readonly actors: readonly Actor[];
  readonly tasks: number;
  /** How many chunks everybody works on. */
  readonly chunks: number;
  /** Steps between crashes, and between failures of the disk, on average. */
  readonly crashEvery: number;
  readonly rotEvery: number;
}

function mixtureOf(random: Random): Mixture {
  const shares = ALL_ACTORS.map((actor) => new Array<Actor>(random.below(2) * random.between(1, 5)).fill(actor));
  return {
    actors: [writer, deleter, collector, ...shares.flat()],
    tasks: random.between(2, 7),
    chunks: random.pick([1, 1, 2, 3, CHUNKS.length]),
    crashEvery: random.pick([25, 100, 100, 400]),
    rotEvery: random.pick([15, 80, 1000]),
  };
}

/** What came of a run. `loss` says what was lost, undefined where nothing was. */
export interface RunResult {
  readonly loss: string | undefined;
  readonly doings: ReadonlyMap<string, number>;
}

/**
 * Lets all actors loose on one disk, with crashes and power cuts in between, and looks whether everything that files
 * and snapshots name is there: while it goes on, after each crash, and in the end; then also that a last collection
 * leaves nothing else.
 * @param Life a life of the daemon: with a part that is faulty, where a test wants one
 * @param mixture what the run is like, where that is not left to chance
 */
export async function runChunkLife(seed: number, Life = World, mixture: Partial<Mixture> = {}): Promise<RunResult> {
  const random = new Random(seed);
  const run = new Run(random, Life, { ...mixtureOf(random), ...mixture });
  const loss = await run.loss();
  return { loss, doings: run.doings.counts };
}

class Run {
  readonly doings = new Doings();
  readonly #random: Random;
  readonly #mixture: Mixture;
  readonly #Life: typeof World;
  readonly #disk = new Disk();
  /** Chunks (hex) that the disk itself lost, until they are whole and durable again. */
  readonly #excused = new Set<string>();
  #world: World;

  constructor(random: Random, Life: typeof World, mixture: Mixture) {
    this.#random = random;
    this.#mixture = mixture;
    this.#Life = Life;
    this.#world = this.#newLife(new Tables(lengthsOf));
  }

  async loss(): Promise<string | undefined> {
    try {
      for (let step = 0; step < STEPS; step += 1) {
        const loss = await this.#step(step);
        if (loss !== undefined) return loss;
      }
      return await this.#finish();
    } finally {
      await this.#world.die();
    }
  }

  async #step(step: number): Promise<string | undefined> {
    const { actors, crashEvery, rotEvery, tasks } = this.#mixture;
    if (this.#random.below(crashEvery) === 0) await this.#crash();
    else if (this.#random.below(rotEvery) === 0) this.#rot();
    else if (this.#world.turns.tasks < tasks) this.#start(this.#random.pick(actors));
    await this.#world.turns.step();
    return step % 8 === 0 ? this.#check() : this.#failure();
  }

  /** Everything comes to its end, and a last collection leaves what is named and nothing else. */
  async #finish(): Promise<string | undefined> {
    for (const last of [undefined, committer, collector] as const) {
      if (last !== undefined) this.#start(last === committer ? commitAll : last);
      await settled();
      while (await this.#world.turns.step()) {
        const failure = this.#failure();
        if (failure !== undefined) return failure;
      }
      if (this.#world.turns.tasks > 0) return `${this.#world.turns.tasks} tasks wait for each other`;
    }
    return this.#check() ?? this.#garbage();
  }

  #start(actor: Actor): void {
    const world = this.#world;
    world.turns.start(() => actor(world, this.doings));
  }

  /** The process dies, mostly with the power; the next life begins with what is left. */
  async #crash(): Promise<void> {
    const old = this.#world;
    await old.die();
    const powerCut = this.#random.below(4) > 0;
    if (powerCut) this.#disk.powerCut(this.#random);
    this.doings.did(powerCut ? 'power cuts' : 'kills');
    const tables = old.catalog.recovered(this.#random, powerCut);
    old.journal.replay(tables, this.#random, powerCut, (digest) => this.#isIntact(digestHex(digest)));
    this.#world = this.#newLife(tables);
    await this.#world.recover();
  }

  #newLife(tables: Tables): World {
    const pool = CHUNKS.slice(0, this.#mixture.chunks);
    return new this.#Life(this.#random, new Turns(this.#random), this.#disk, tables, {
      pool,
      excused: this.#excused,
    });
  }

  #rot(): void {
    const chunk = this.#random.pick(CHUNKS);
    if (!this.#disk.durable(chunk.name) || !this.#isIntact(digestHex(chunk.digest))) return;
    this.#disk.rot(chunk.name, this.#random);
    this.#excused.add(digestHex(chunk.digest));
    this.doings.did('rotten');
  }

  #isIntact(key: string): boolean {
    const chunk = chunkOf(key);
    return isIntact(chunk, this.#disk.at(chunk.name));
  }

  #failure(): string | undefined {
    const { failure } = this.#world.turns;
    return failure === undefined ? undefined : String(failure);
  }

  #check(): string | undefined {
    for (const key of [...this.#excused]) {
      if (this.#isIntact(key) && this.#disk.durable(chunkOf(key).name)) this.#excused.delete(key);
    }
    for (const tables of [this.#world.catalog.open, this.#world.catalog.committed]) {
      if (tables.dangling()) return 'An id is named that is no chunk any more';
      for (const key of tables.named()) {
        if (!this.#isIntact(key) && !this.#excused.has(key)) return `Chunk ${key.slice(0, 8)} is named and not there`;
      }
    }
    return this.#failure();
  }

  #garbage(): string | undefined {
    const named = this.#world.catalog.committed.named();
    const stray = this.#disk
      .names('.chunks')
      .filter((name) => !name.endsWith('.bad'))
      .map((name) => name.slice(name.lastIndexOf('/') + 1))
      .find((key) => !named.has(key));
    return stray === undefined ? undefined : `Chunk ${stray.slice(0, 8)} is named by nobody and still there`;
  }
}

function commitAll(world: World): Promise<void> {
  return world.durability.commitDurably();
}
