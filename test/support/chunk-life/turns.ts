import type { Random } from '../random.js';

/**
 * Runs tasks one step at a time, in an order that a seed decides: whoever comes to a `point` waits there until it is
 * picked. What runs between two points is the code under test with its promises and nothing else, so a seed always gives
 * the same run.
 */
export class Turns {
  readonly #random: Random;
  #waiting: (() => void)[] = [];
  #tasks = 0;
  #dead = false;
  /** What went wrong in a task, the first of all. */
  failure: unknown;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Tasks that have not ended. */
  get tasks(): number {
    return this.#tasks;
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** Waits until picked; for ever after `end`. */
  point(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#dead) this.#waiting.push(resolve);
    });
  }

  start(task: () => Promise<void>): void {
    this.#tasks += 1;
    task()
      .catch((error: unknown) => {
        if (!this.#dead) this.failure ??= error;
      })
      .finally(() => {
        this.#tasks -= 1;
      });
  }

  /** Lets one waiting task go on to its next point. False where none waits. */
  async step(): Promise<boolean> {
    const at = this.#random.below(this.#waiting.length);
    const go = this.#waiting[at];
    if (go === undefined) return false;
    this.#waiting.splice(at, 1);
    go();
    await settled();
    return true;
  }

  /** Nothing goes on any more: the process has died. */
  end(): void {
    this.#dead = true;
    this.#waiting = [];
  }
}

/** Resolves when everything that can go on by itself has. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
