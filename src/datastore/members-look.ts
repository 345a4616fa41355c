import type { Spread } from './object-store.js';

type Members = Spread['members'];

/** A backend that is not there, as far as is known. */
export interface MissingMember {
  readonly id: string;
  readonly reason: string;
}

/** So long a backend may take to answer before that is told of. */
const PATIENCE_MS = 3000;

/**
 * Asks each backend once whether it is there: one of which nothing is wanted would not be missed. Who needs to know waits for
 * `done`; backends that take longer are waited for by nobody.
 */
export class MembersLook {
  readonly #members: Members;
  readonly #patienceMs: number;
  readonly #waiting: Set<Members['all'][number]>;
  #isOver = false;
  /** Resolves when all have answered or failed, or have had long enough for that. */
  readonly done: Promise<void>;

  /** @param patienceMs given in tests only */
  constructor(members: Members, patienceMs = PATIENCE_MS) {
    this.#members = members;
    this.#patienceMs = patienceMs;
    this.#waiting = new Set(members.all);
    this.done = this.#look().finally(() => {
      this.#isOver = true;
    });
  }

  /** Those that are failing now, and those that still owe an answer. */
  get missing(): MissingMember[] {
    return this.#members.all.flatMap((member) => {
      const { id, failing, reason } = member.health;
      if (failing) return [{ id, reason: reason ?? 'it does not answer' }];
      if (!this.#isOver || !this.#waiting.has(member)) return [];
      return [{ id, reason: `it has not answered for ${this.#patienceMs / 1000} s` }];
    });
  }

  #look(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#patienceMs);
      const answers = [...this.#waiting].map(async (member) => {
        // What it fails with is its health's to tell.
        await member.prove().catch(() => undefined);
        this.#waiting.delete(member);
      });
      void Promise.all(answers).then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
