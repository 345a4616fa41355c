import { CairnError, kindOf } from '../../core/errors.js';

/** Shown of many problems; all are counted. */
const SHOWN = 10;

/** What keeps a collection from removing anything. */
export class Problems {
  readonly #lines: string[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** At most the first few. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  add(line: string): void {
    this.#count += 1;
    if (this.#lines.length < SHOWN) this.#lines.push(line);
  }

  /** Notes what an attempt failed with, if it is about the datastore; anything else goes on up. */
  take(error: unknown): void {
    if (!(error instanceof CairnError) || kindOf(error) === 'interrupted') throw error;
    this.add(error.message);
  }
}

/** One line that says why nothing was removed. */
export function stoppedMessage(problems: readonly string[], count: number): string {
  const others = count > 1 ? ` (and ${count - 1} more: "cairn gc --dry-run" shows them)` : '';
  return `Nothing was removed: ${problems[0]}${others}`;
}
