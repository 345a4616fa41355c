import type { Backend } from '../backend/backend.js';
import { COMPRESSION_LEVEL } from '../chunk/limits.js';
import { readProcessorStat } from '../native/processor-load.js';

const INTERVAL_MILLISECONDS = 500;
/** Who stores a chunk now and then is given what was idle since the one before; after a longer pause that says nothing. */
const STALE_MILLISECONDS = 10_000;
/** From which idle share of the processors' time on a level is used, the best first (README: what they cost and save). */
const LEVELS_WHEN_IDLE = [
  { idleShare: 0.5, level: 3 },
  { idleShare: 0.25, level: 2 },
];

/** Clock ticks of all processors since the machine started. */
interface ProcessorTimes {
  readonly idle: number;
  readonly total: number;
}

/** Where the load is seen; a test has its own. */
export interface LoadSource {
  /** As `readProcessorStat`. */
  readStat(): Promise<string>;
  /** Of a clock that never goes back. */
  nowMilliseconds(): number;
}

const MACHINE: LoadSource = {
  readStat: readProcessorStat,
  nowMilliseconds: () => performance.now(),
};

/**
 * Says with which level of zstd to compress at this moment. For local files it follows the load of the last half second, or
 * since the chunk before: the more of the processors is idle, the higher; the lowest where that is not known. For any other backend it is always the same:
 * machines that share one, or members that keep a chunk's pieces, need its blob to be the same whoever made it.
 */
export function compressionLevels(backend: Backend, source: LoadSource = MACHINE): () => number {
  if (backend.localFiles === undefined) return () => COMPRESSION_LEVEL;
  const load = new IdleShare(source);
  return () => {
    const share = load.share();
    return LEVELS_WHEN_IDLE.find(({ idleShare }) => share >= idleShare)?.level ?? COMPRESSION_LEVEL;
  };
}

/** Looks only while somebody asks, and not from the thread that does. */
class IdleShare {
  readonly #source: LoadSource;
  #share = 0;
  #sample: ProcessorTimes | undefined;
  #sampledAt = Number.NEGATIVE_INFINITY;
  #sampling = false;

  constructor(source: LoadSource) {
    this.#source = source;
  }

  /** Of 0 (all busy, or not known) to 1. */
  share(): number {
    const age = this.#source.nowMilliseconds() - this.#sampledAt;
    if (age >= STALE_MILLISECONDS) {
      this.#share = 0;
      this.#sample = undefined;
    }
    if (age >= INTERVAL_MILLISECONDS && !this.#sampling) void this.#look();
    return this.#share;
  }

  async #look(): Promise<void> {
    this.#sampling = true;
    const now = await this.#source.readStat().then(processorTimes, () => undefined);
    const before = this.#sample;
    const ticks = now === undefined || before === undefined ? 0 : now.total - before.total;
    this.#share = now === undefined || before === undefined || ticks <= 0 ? 0 : (now.idle - before.idle) / ticks;
    this.#sample = now;
    this.#sampledAt = this.#source.nowMilliseconds();
    this.#sampling = false;
  }
}

/** Of the first line: user, nice, system, idle, iowait, irq, softirq, steal; guests' time is in the first two. */
function processorTimes(stat: string): ProcessorTimes | undefined {
  const ticks = /^cpu +([\d ]+)/.exec(stat)?.[1]?.trim().split(/ +/).slice(0, 8).map(Number);
  if (ticks === undefined || ticks.length < 8) return undefined;
  const [idle = 0, waitingForDisks = 0] = ticks.slice(3, 5);
  return { idle: idle + waitingForDisks, total: ticks.reduce((sum, each) => sum + each, 0) };
}
