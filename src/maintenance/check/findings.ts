/** Something that is not as it should be. */
export interface Finding {
  /** `damage`: data or its bookkeeping is lost or contradicts itself; `untidy`: space that nothing uses, left-overs. */
  readonly severity: 'damage' | 'untidy';
  /** A word for programs, e.g. `missing-chunk`. */
  readonly kind: string;
  /** What it is about: a path relative to the datastore, where there is one, or a backend. */
  readonly path: string;
  readonly message: string;
  /** What to do about it. */
  readonly advice: string;
}

/** Findings kept of one kind; the rest is counted. */
const MAX_OF_KIND = 1000;

/** Gathers findings; bounded, however much is wrong. */
export class Findings {
  readonly #all: Finding[] = [];
  readonly #counts = new Map<string, number>();

  add(finding: Finding): void {
    const count = (this.#counts.get(finding.kind) ?? 0) + 1;
    this.#counts.set(finding.kind, count);
    if (count <= MAX_OF_KIND) this.#all.push(finding);
  }

  get listed(): readonly Finding[] {
    return this.#all;
  }

  /** How many there are of each kind, those not listed among them. */
  counts(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}
