import { dirname } from 'node:path';
import { kindOf } from '../../../src/core/errors.js';
import { epochFolder, revokedName } from '../../../src/datastore/shared/machine-epochs.js';
import { settled } from '../chunk-life/turns.js';
import { Random } from '../random.js';
import { ACTORS, type Actor } from './actors.js';
import { ModelBucket, type WallClock } from './model-bucket.js';
import { chunkName, KEYS, LocalDisk, Machine, UNIT, unitKeys } from './model-machine.js';

/** What a part of the protocol may end with while others are at work. */
const EXPECTED = new Set(['stale', 'busy', 'unreachable', 'interrupted']);

/** What a run is like; runs differ. */
export interface Mixture {
  readonly steps: number;
  readonly machines: number;
  readonly tasks: number;
  /** How often each actor comes up. */
  readonly shares: Readonly<Record<string, number>>;
  /** Steps between crashes, and between times that a machine stands still, on average. */
  readonly crashEvery: number;
  readonly pauseEvery: number;
  /** Tries of requests between two that are not answered, on average. */
  readonly faultEvery: number;
}

function mixtureOf(random: Random): Mixture {
  const share = (): number => random.below(2) * random.between(1, 3);
  return {
    steps: random.pick([200, 400, 700]),
    machines: random.between(2, 3),
    tasks: random.between(3, 6),
    shares: {
      ...{ writer: 2, deleter: 1 + share(), sweeper: 1 + share(), uploader: 3, snapshotter: 1 + share(), publisher: 3 },
      ...{
        forgetter: 1 + share(),
        refresher: share(),
        collector: 1 + share(),
        preparer: 1,
        ticker: 4,
        leaver: random.below(2),
        unmarker: 1,
        claimer: share(),
      },
    },
    crashEvery: random.pick([100, 300, 2000]),
    pauseEvery: random.pick([80, 250, 2000]),
    faultEvery: random.pick([12, 40, 10_000]),
  };
}

/** What came of a run. `loss` says what was lost, undefined where nothing was. */
export interface RunResult {
  readonly loss: string | undefined;
  readonly doings: ReadonlyMap<string, number>;
}

/**
 * Lets several machines loose on one bucket, and looks all the time whether all that is published is there; in the end
 * also whether everything came to be published, and nothing else is left.
 */
export async function runManyMachines(
  seed: number,
  Life: typeof Machine = Machine,
  mixture: Partial<Mixture> = {},
): Promise<RunResult> {
  const random = new Random(seed);
  const run = new Run(random, Life, { ...mixtureOf(random), ...mixture });
  const loss = await run.loss();
  return { loss, doings: run.doings };
}

/** A machine through all its lives. */
interface Place {
  readonly disk: LocalDisk;
  readonly id: string;
  /** Its clock goes so much faster than the server's. */
  readonly rate: number;
  machine: Machine | undefined;
  clock: number;
  pausedUntil: number;
  /** Its clocks stand still too, as a virtual machine's. */
  clockStops: boolean;
  readonly wallClock: WallClock;
}

class Run {
  readonly doings = new Map<string, number>();
  readonly #random: Random;
  readonly #Life: typeof Machine;
  readonly #mixture: Mixture;
  readonly #bucket: ModelBucket;
  readonly #places: Place[];
  readonly #actors: readonly Actor[];
  #failure: string | undefined;
  #checked = 0;

  constructor(random: Random, Life: typeof Machine, mixture: Mixture) {
    this.#random = random;
    this.#Life = Life;
    this.#mixture = mixture;
    this.#bucket = new ModelBucket(random, mixture.faultEvery);
    this.#actors = Object.entries(mixture.shares).flatMap(([name, share]) => new Array(share).fill(ACTORS[name]));
    this.#places = Array.from({ length: mixture.machines }, (_, n) => {
      const rate = random.pick([0.9, 1, 1.1]);
      return {
        disk: new LocalDisk(),
        id: `m${n}`,
        rate,
        machine: undefined,
        clock: 0,
        pausedUntil: 0,
        ...{ clockStops: false, wallClock: { behind: 0 } },
      };
    });
    for (const place of this.#places) this.#start(place);
  }

  async loss(): Promise<string | undefined> {
    const { steps } = this.#mixture;
    try {
      for (let step = 0; step < steps; step += 1) {
        this.#disturb();
        this.#act(this.#random.pick(this.#places), this.#random.pick(this.#actors));
        const loss = await this.#step();
        if (loss !== undefined) return loss;
      }
      return this.#random.below(4) === 0 ? await this.#finish() : undefined;
    } finally {
      for (const { machine } of this.#places) machine?.die();
    }
  }

  async #step(): Promise<string | undefined> {
    const { now } = this.#bucket;
    const awake = this.#places.filter(({ pausedUntil }) => pausedUntil <= now);
    for (const place of this.#places) {
      if (place.pausedUntil <= now || !place.clockStops) place.clock += place.rate;
      else place.wallClock.behind += 1;
    }
    this.#bucket.step();
    const place = awake.length === 0 ? undefined : this.#random.pick(awake);
    if (place?.machine === undefined || !(await place.machine.turns.step())) await settled();
    return this.#check();
  }

  #did(what: string, times = 1): void {
    this.doings.set(what, (this.doings.get(what) ?? 0) + times);
  }

  #disturb(): void {
    const { crashEvery, pauseEvery } = this.#mixture;
    const place = this.#random.pick(this.#places);
    if (this.#random.below(crashEvery) === 0) {
      place.machine?.die();
      place.machine = undefined;
      this.#did('crashes');
    } else if (place.machine === undefined && this.#random.below(60) === 0) this.#start(place);
    if (this.#random.below(pauseEvery) === 0) {
      place.pausedUntil = this.#bucket.now + this.#random.between(10, 400);
      place.clockStops = this.#random.below(2) === 0;
      this.#did('pauses');
    }
  }

  #start(place: Place): void {
    place.machine = new this.#Life({
      ...{ id: place.id, random: this.#random, bucket: this.#bucket, disk: place.disk },
      now: () => place.clock,
      wallClock: place.wallClock,
      did: (what, times) => this.#did(what, times),
    });
  }

  #act({ machine }: Place, actor: Actor): void {
    if (machine === undefined || machine.turns.tasks >= this.#mixture.tasks) return;
    machine.turns.start(async () => {
      try {
        await actor(machine);
      } catch (error) {
        this.#did(kindOf(error));
        if (!EXPECTED.has(kindOf(error))) throw error;
      }
    });
  }

  #check(): string | undefined {
    for (const { machine } of this.#places) {
      if (machine?.turns.failure !== undefined) return `${(machine.turns.failure as Error).stack}`;
    }
    this.#failure ??= this.#severalWriters();
    if (this.#bucket.changes === this.#checked) return this.#failure;
    this.#checked = this.#bucket.changes;
    this.#failure ??= this.#publishedLoss() ?? this.#believedLoss() ?? this.#broughtBack();
    return this.#failure;
  }

  #publishedLoss(): string | undefined {
    const { objects } = this.#bucket;
    for (const [name, bytes] of objects) {
      if (!UNIT.test(name) || objects.has(revokedName(name))) continue;
      const missing = unitKeys(bytes).find((key) => !objects.has(chunkName(key)));
      if (missing !== undefined) return `${name} names chunk ${missing.slice(0, 2)}, which is not there`;
    }
    return undefined;
  }

  /** What a machine that was not given up believes to be in the object store it may have nowhere else. */
  #believedLoss(): string | undefined {
    const { objects } = this.#bucket;
    for (const { id, disk, machine } of this.#places) {
      const session = machine?.membership.session;
      if (session === undefined || !session.isCurrent) continue;
      if (objects.has(`${epochFolder(id, session.lease.epoch)}/ended`)) continue;
      for (const [key, { uploaded }] of disk.chunks) {
        if (uploaded && !objects.has(chunkName(key))) return `${id} believes chunk ${key.slice(0, 2)} to be there`;
      }
    }
    return undefined;
  }

  /** Of several machines that were told that they write to a group the epochs of all but one have ended. */
  #severalWriters(): string | undefined {
    const writers = this.#places.filter(({ id, machine }) => {
      return machine?.wroteIn !== undefined && this.#isLast(id, machine.wroteIn);
    });
    return writers.length > 1 ? `One group is written by ${writers.map(({ id }) => id).join(' and ')}` : undefined;
  }

  #isLast(id: string, epoch: number): boolean {
    const folder = epochFolder(id, epoch);
    const last = this.#bucket.names(dirname(folder)).sort().at(-1);
    return last?.startsWith(`${folder}/`) === true && !this.#bucket.objects.has(`${folder}/ended`);
  }

  /** What was withdrawn never counts again, whatever comes late. */
  #broughtBack(): string | undefined {
    const { objects } = this.#bucket;
    const withdrawn = this.#places.flatMap(({ disk }) => [...disk.withdrawn]);
    const back = withdrawn.find((unit) => objects.has(unit) && !objects.has(revokedName(unit)));
    return back && `${back} was withdrawn, and counts again`;
  }

  /** Those that are not lost go on until everything is published; then nothing else is left after a collection. */
  async #finish(): Promise<string | undefined> {
    for (const place of this.#places) place.pausedUntil = 0;
    const left = this.#places.filter(({ machine }) => machine !== undefined);
    const [first] = left;
    if (first === undefined) return undefined;
    const order = ['ticker', 'preparer', 'sweeper', 'uploader', 'publisher'];
    const published = (): boolean =>
      left.every(({ disk }) => [...disk.snapshots.values()].every(({ published }) => published));
    let goes = 0;
    for (; goes < 600 && !(published() && goes > 40); goes += 1) {
      for (const place of left) this.#act(place, ACTORS[order[goes % order.length] as string] as Actor);
      for (let steps = 0; steps < 12; steps += 1) {
        const loss = await this.#step();
        if (loss !== undefined) return loss;
      }
    }
    if (!published()) return 'Not everything could be published';
    return this.#collectAll(left, first);
  }

  async #collectAll(left: readonly Place[], first: Place): Promise<string | undefined> {
    const wanted = new Set(left.flatMap(({ disk }) => [...disk.named()]));
    for (let goes = 0; goes < 600; goes += 1) {
      const name = ['ticker', 'sweeper', 'preparer', 'collector', 'ticker'][goes % 5] as string;
      for (const place of left) if (name !== 'collector' || place === first) this.#act(place, ACTORS[name] as Actor);
      for (let steps = 0; steps < 12; steps += 1) {
        const loss = await this.#step();
        if (loss !== undefined) return loss;
      }
      if (goes % 5 === 4 && this.#garbage(wanted) === undefined) return undefined;
    }
    return `Chunk ${this.#garbage(wanted)?.slice(0, 2)} is named by nobody and still there`;
  }

  #garbage(wanted: ReadonlySet<string>): string | undefined {
    const { objects } = this.#bucket;
    const published = [...objects].flatMap(([name, bytes]) => (UNIT.test(name) ? unitKeys(bytes) : []));
    return KEYS.find((key) => objects.has(chunkName(key)) && !wanted.has(key) && !published.includes(key));
  }
}
