import { setMaxListeners } from 'node:events';
import { interrupted } from './interruption.js';

/** What is under way in an open store, so that closing it ends that first. */
export class OpenWork {
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  #ended: Promise<void> | undefined;

  constructor() {
    // One for each call that is under way.
    setMaxListeners(0, this.#closing.signal);
  }

  /** Aborted when the store is being closed. */
  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  /** The same function, whose calls closing waits for. */
  during<A extends unknown[], R>(work: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
    return (...args) => {
      const { signal } = this.#closing;
      if (signal.aborted) return Promise.reject(interrupted(signal));
      const running = work(...args);
      this.#note(running);
      return running;
    };
  }

  /** Gives up what runs, then closes. Calls after the first share its outcome. */
  end(close: () => Promise<void>): Promise<void> {
    this.#ended ??= this.#end(close);
    return this.#ended;
  }

  #note(running: Promise<unknown>): void {
    const settled: Promise<unknown> = running
      .catch(() => undefined)
      .then(() => {
        this.#running.delete(settled);
      });
    this.#running.add(settled);
  }

  async #end(close: () => Promise<void>): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#running);
    await close();
  }
}
