import type { Change } from '../../catalog/change.js';
import type { Catalog } from '../../catalog/open.js';
import type { ChangeLog } from '../../content/change-log.js';
import { ROWS_PER_TURN, turn } from './turns.js';

/** Where swaps are made. */
export type SwapLog = Pick<ChangeLog, 'make' | 'backgroundTurn'>;

/**
 * Brings what a job has packed or cut anew into the live tree, in the order it came. A file may get several swaps, each for
 * the version the one before leaves: where one is refused because the file has changed, the later ones are not even
 * tried, since the change may have made the very version they name.
 */
export class LiveSwaps {
  readonly #log: SwapLog;
  readonly #copies: Pick<Catalog['listCopies'], 'prepare'>;
  readonly #refused = new Set<number>();
  #all: Promise<void> = Promise.resolve();

  constructor(log: SwapLog, copies: Pick<Catalog['listCopies'], 'prepare'>) {
    this.#log = log;
    this.#copies = copies;
  }

  /** Takes content changes with an `ifVersion`. */
  add(changes: readonly Change[]): void {
    this.#all = this.#all.then(() => this.#swapAll(changes));
    // Whoever waits for `settled` hears of it.
    this.#all.catch(() => undefined);
  }

  /** Resolves when all that came so far is made. @throws what making a change failed with */
  settled(): Promise<void> {
    return this.#all;
  }

  async #swapAll(changes: readonly Change[]): Promise<void> {
    for (let from = 0; from < changes.length; from += ROWS_PER_TURN) {
      await this.#log.backgroundTurn();
      for (const change of changes.slice(from, from + ROWS_PER_TURN)) {
        while (change.kind === 'content' && !this.#copies.prepare(change.ino)) await turn();
        this.#swap(change);
      }
      await turn();
    }
  }

  #swap(change: Change): void {
    if (change.kind !== 'content' || this.#refused.has(change.ino)) return;
    if (!this.#log.make(change)) this.#refused.add(change.ino);
  }
}
