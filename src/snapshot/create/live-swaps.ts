import type { Change } from '../../catalog/change.js';
import type { ChangeLog } from '../../content/change-log.js';
import { inTurns } from './turns.js';

/**
 * Brings what a job has packed or cut anew into the live tree, in the order it came. A file may get several swaps, each for
 * the version the one before leaves: where one is refused because the file has changed, the later ones are not even
 * tried, since the change may have made the very version they name.
 */
export class LiveSwaps {
  readonly #log: Pick<ChangeLog, 'make'>;
  readonly #refused = new Set<number>();
  #all: Promise<void> = Promise.resolve();

  constructor(log: Pick<ChangeLog, 'make'>) {
    this.#log = log;
  }

  /** Takes content changes with an `ifVersion`. */
  add(changes: readonly Change[]): void {
    this.#all = this.#all.then(() => inTurns(changes, (change) => this.#swap(change)));
    // Whoever waits for `settled` hears of it.
    this.#all.catch(() => undefined);
  }

  /** Resolves when all that came so far is made. @throws what making a change failed with */
  settled(): Promise<void> {
    return this.#all;
  }

  #swap(change: Change): void {
    if (change.kind !== 'content' || this.#refused.has(change.ino)) return;
    if (!this.#log.make(change)) this.#refused.add(change.ino);
  }
}
