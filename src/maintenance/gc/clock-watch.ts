/** A step of the wall clock above this is no drift. */
const TOLERATED_SECONDS = 60;

/** Where `ClockWatch` takes the time from; tests pass their own. */
export interface Clocks {
  /** Seconds since 1970 as the machine has them at this moment, steps included. */
  wallSeconds(): number;
  /** Seconds since any moment, by a clock nobody can set. */
  steadySeconds(): number;
}

export const systemClocks: Clocks = {
  wallSeconds: () => Date.now() / 1000,
  steadySeconds: () => performance.now() / 1000,
};

/** Tells whether the wall clock was set while it watched. */
export class ClockWatch {
  readonly #clocks: Clocks;
  readonly #difference: number;

  constructor(clocks: Clocks = systemClocks) {
    this.#clocks = clocks;
    this.#difference = clocks.wallSeconds() - clocks.steadySeconds();
  }

  nowSeconds(): number {
    return Math.floor(this.#clocks.wallSeconds());
  }

  /**
   * What is wrong with the clock, if anything.
   * @param notBefore seconds since 1970 at which the clock has stood already; 0: not known
   */
  problem(notBefore: number): string | undefined {
    const jumped = this.#clocks.wallSeconds() - this.#clocks.steadySeconds() - this.#difference;
    if (Math.abs(jumped) > TOLERATED_SECONDS) {
      return `The clock jumped by ${Math.round(jumped)} s meanwhile: collect again once it is right`;
    }
    const behind = Math.round(notBefore - this.#clocks.wallSeconds());
    if (behind <= TOLERATED_SECONDS) return undefined;
    return `The clock stands ${behind} s before the end of the last collection: set it right, then collect again`;
  }
}
