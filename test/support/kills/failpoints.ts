/** Of so many kills one is anywhere. */
const ANYWHERE_EVERY = 8;
/** So many failpoints are to choose among at any time, or a kill would have to wait for a rare one. */
const CHOICE = 12;

/** Counts kills by failpoint over several stores, so that each gets its share. */
export class Failpoints {
  readonly #kills = new Map<string, number>();
  #asked = 0;

  /** The failpoints at which the next kill is not to be; undefined: it is to be anywhere, at no call at all. */
  spent(passed: Iterable<string>): ReadonlySet<string> | undefined {
    this.#asked += 1;
    if (this.#asked % ANYWHERE_EVERY === 0) return undefined;
    const all = [...passed].map((name) => ({ name, kills: this.#kills.get(name) ?? 0 }));
    const level = all.map(({ kills }) => kills).sort((a, b) => a - b)[CHOICE - 1];
    if (level === undefined) return new Set();
    return new Set(all.filter(({ kills }) => kills > level).map(({ name }) => name));
  }

  killed(name: string): void {
    this.#kills.set(name, (this.#kills.get(name) ?? 0) + 1);
  }
}
