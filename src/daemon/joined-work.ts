import type { Progress } from '../control/messages.js';
import { CairnError } from '../core/errors.js';
import { unlessGivenUp } from './given-up.js';

/** Who waits for work, and for how long. */
export interface Waiting {
  progress(progress: Progress): void;
  readonly signal: AbortSignal;
}

/** Work of which one piece runs at a time, and which all share who wait for the same piece: it is nobody's alone. */
export class JoinedWork<T> {
  readonly #work: (context: Waiting) => Promise<T>;
  #running: Piece<T> | undefined;
  #isEnded = false;

  /** @param work its signal is aborted when nobody waits for it any more */
  constructor(work: (context: Waiting) => Promise<T>) {
    this.#work = work;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /**
   * Resolves with what a piece brought that began after the call.
   * @throws {CairnError} what it failed with; `interrupted` as soon as the caller gave up, which leaves others what they
   *   wait for, and after `end`
   */
  async run(context: Waiting): Promise<T> {
    const { signal } = context;
    // What runs may have begun too early; of what began since, nobody may have been left to wait.
    do await this.idle(signal);
    while (this.#running?.isGivenUp === true);
    if (this.#isEnded) throw new CairnError('interrupted', 'The datastore is being closed');
    if (signal.aborted) throw new CairnError('interrupted', 'Given up');
    this.#running ??= new Piece(this.#work, () => {
      this.#running = undefined;
    });
    return this.#running.waitFor(context);
  }

  /** Resolves when what runs has ended. @throws {CairnError} `interrupted` as soon as the signal is aborted */
  async idle(signal: AbortSignal): Promise<void> {
    const over = this.#over();
    if (over !== undefined) await unlessGivenUp(over, signal);
  }

  /** Gives up what runs, and begins nothing more; resolves when nothing runs. */
  async end(): Promise<void> {
    this.#isEnded = true;
    this.#running?.giveUp();
    await this.#over();
  }

  #over(): Promise<void> | undefined {
    return this.#running?.ended.then(
      () => undefined,
      () => undefined,
    );
  }
}

/** One piece, and all who wait for it. */
class Piece<T> {
  /** It is not the one that runs any more when this settles. */
  readonly ended: Promise<T>;
  readonly #listeners = new Set<Waiting['progress']>();
  readonly #givenUp = new AbortController();

  constructor(work: (context: Waiting) => Promise<T>, onEnd: () => void) {
    const progress = (at: Progress): void => {
      for (const listener of this.#listeners) listener(at);
    };
    this.ended = work({ progress, signal: this.#givenUp.signal }).finally(onEnd);
  }

  get isGivenUp(): boolean {
    return this.#givenUp.signal.aborted;
  }

  giveUp(): void {
    this.#givenUp.abort();
  }

  async waitFor(context: Waiting): Promise<T> {
    const listener = (at: Progress): void => context.progress(at);
    this.#listeners.add(listener);
    try {
      return await unlessGivenUp(this.ended, context.signal);
    } finally {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.giveUp();
    }
  }
}
