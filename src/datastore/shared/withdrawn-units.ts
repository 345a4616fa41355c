/**
 * Units this machine withdrew for good, and since when: put by nobody any more, but by requests that are on their way. One for
 * a process: it outlives the epochs of its machine.
 */
export class WithdrawnUnits {
  readonly #now: () => number;
  readonly #since = new Map<string, number>();

  /** @param now seconds of a clock that is never set */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** No request to put them is made from now on, by whatever process of this machine. */
  add(units: Iterable<string>): void {
    for (const unit of units) this.#since.set(unit, this.#now());
  }

  /** Those that were added so long ago. */
  due(seconds: number): string[] {
    const now = this.#now();
    return [...this.#since].filter(([, since]) => now - since >= seconds).map(([unit]) => unit);
  }

  remove(units: Iterable<string>): void {
    for (const unit of units) this.#since.delete(unit);
  }
}
