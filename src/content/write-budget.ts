import { CairnError } from '../core/errors.js';
import { draftMemoryBytes } from '../native/draft.js';

/** Dirty bytes in memory above which writers wait, over all files. */
export const DRAFT_BUDGET_BYTES = 64 * 1024 * 1024;

/** Another bound that writers keep. */
export interface WriteBound {
  /** Asked for every write. */
  isFull(): boolean;
  /** Why nothing is taken, where a writer is told so; undefined: it waits. */
  readonly refusal: string | undefined;
}

/**
 * The bound on dirty bytes in memory. Writers over it wait in line until drafts have shrunk; what shrinks them
 * (storing chunks, appending to the journal) never waits here.
 */
export class WriteBudget {
  readonly #limitBytes: number;
  readonly #memory: () => number;
  readonly #waiting: (() => void)[] = [];
  #press: () => void = () => undefined;
  #pressing = false;
  #bound: WriteBound | undefined;

  constructor(limitBytes: number = DRAFT_BUDGET_BYTES, memory: () => number = draftMemoryBytes) {
    this.#limitBytes = limitBytes;
    this.#memory = memory;
  }

  /** What to call when a writer has to wait: it should make drafts shrink. */
  onPressure(press: () => void): void {
    this.#press = press;
  }

  /** From now on writers keep this bound too. */
  boundBy(bound: WriteBound): void {
    this.#bound = bound;
  }

  /** Whether a writer must wait before it adds to a draft. */
  get full(): boolean {
    return this.#waiting.length > 0 || this.#isOver();
  }

  /**
   * Resolves when there is room, first come first served. Who is interrupted gives up the place in the line.
   * @throws {CairnError} `no-space` where another bound is reached, and says so
   */
  room(interrupted?: AbortSignal): Promise<void> {
    if (!this.full) return Promise.resolve();
    const refusal = this.#bound?.isFull() === true ? this.#bound.refusal : undefined;
    if (refusal !== undefined) return Promise.reject(new CairnError('no-space', refusal));
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      interrupted?.addEventListener('abort', () => this.#leave(resolve), { once: true });
      this.#pressOn();
    });
  }

  #leave(resolve: () => void): void {
    const place = this.#waiting.indexOf(resolve);
    if (place >= 0) this.#waiting.splice(place, 1);
    resolve();
  }

  /**
   * To be called whenever drafts have shrunk, and now and then: memory also counts what other threads hold. Where
   * writers still have to wait, what makes drafts shrink is called again: what was busy the last time may not be now.
   */
  shrunk(): void {
    this.#letIn();
    if (this.#waiting.length > 0) this.#pressOn();
  }

  #pressOn(): void {
    if (this.#pressing) return;
    this.#pressing = true;
    try {
      this.#press();
    } finally {
      this.#pressing = false;
    }
    this.#letIn();
  }

  #letIn(): void {
    while (this.#waiting.length > 0 && !this.#isOver()) this.#waiting.shift()?.();
  }

  #isOver(): boolean {
    return this.#memory() >= this.#limitBytes || this.#bound?.isFull() === true;
  }
}
