/** A point in time as `struct timespec` has it: whole seconds since 1970 (may be negative) and 0…999,999,999 ns. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** Where the time comes from; tests pass their own. */
export interface Clock {
  now(): Timestamp;
}

/** Where a wall clock's time comes from, in milliseconds; a test's own. */
export interface TimeSources {
  /** The system's time, which may be set, in whole milliseconds since 1970. */
  wall(): number;
  /** Rises steadily, in microseconds at least, from any origin; stands still while the machine sleeps. */
  steady(): number;
}

/** How far the steady clock may lead away from the system's time, which is only known to a millisecond. */
const TOLERATED_MS = 2;
/** What a clock goes back by when it is set, not when it is corrected. */
const SET_BACK_MS = 1000;

/**
 * The system's time with microseconds: those of a steady clock, which follows the system's wherever that goes: where it was set, and
 * after the machine slept. It stands still where the system's is a little behind, so that what happens later is not seen as earlier.
 */
export class WallClock implements Clock {
  readonly #sources: TimeSources;
  /** What is added to the steady clock. */
  #offset: number;
  #last = Number.NEGATIVE_INFINITY;

  constructor(sources: TimeSources) {
    this.#sources = sources;
    this.#offset = sources.wall() - sources.steady();
  }

  now(): Timestamp {
    const wall = this.#sources.wall();
    const steady = this.#sources.steady();
    if (Math.abs(steady + this.#offset - wall) > TOLERATED_MS) this.#offset = wall - steady;
    const behind = this.#last - (steady + this.#offset);
    if (behind <= 0 || behind > SET_BACK_MS) this.#last = steady + this.#offset;
    const seconds = Math.floor(this.#last / 1000);
    return { seconds, nanoseconds: Math.floor((this.#last - seconds * 1000) * 1000) * 1000 };
  }
}

/** This machine's time. */
export const systemClock: Clock = new WallClock({ wall: () => Date.now(), steady: () => performance.now() });
