import { CairnError, kindOf } from '../../core/errors.js';
import { type Redundancy, sameRedundancy, toleranceOf, writeQuorumOf } from '../../core/redundancy.js';
import type { Backend } from '../backend.js';
import { Member, type MemberPlace } from './member.js';
import { placementOrder } from './placement.js';

/** What objects are spread over, and how; may be changed at any time. */
export interface SpreadSetup {
  readonly members: readonly MemberPlace[];
  readonly redundancy: Redundancy;
  /** Others that some objects are given on purpose (`ObjectMender.mend`). */
  readonly groupRedundancies?: readonly Redundancy[];
  /** The member that comes first in every placement. */
  readonly preferred?: string | undefined;
  /** Some objects may still be as an earlier redundancy, or none, had them. */
  readonly converting?: boolean;
}

/** The members as they are now, and what is asked of all of them. */
export class Members {
  readonly #datastore: string;
  readonly #now: () => number;
  #all: readonly Member[] = [];
  #setup: SpreadSetup;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(setup: SpreadSetup, datastore: string, now: () => number) {
    this.#datastore = datastore;
    this.#now = now;
    this.#setup = setup;
    this.configure(setup);
  }

  get all(): readonly Member[] {
    return this.#all;
  }

  get redundancy(): Redundancy {
    return this.#setup.redundancy;
  }

  /** Whether objects may stay in this redundancy. */
  isInUse(redundancy: Redundancy): boolean {
    return this.#inUse().some((one) => sameRedundancy(one, redundancy));
  }

  /** So many members may be lost before an object of the strongest redundancy is. */
  get mostTolerated(): number {
    return Math.max(...this.#inUse().map(toleranceOf));
  }

  /** With so many pieces any object might be read. */
  get leastData(): number {
    return this.converting ? 1 : Math.min(...this.#inUse().map(({ data }) => data));
  }

  /** So many silent members are heard of elsewhere, whatever they have. */
  get mostSilent(): number {
    return this.converting ? 0 : Math.min(...this.#inUse().map(writeQuorumOf)) - 1;
  }

  /** After a barrier that failed on so many members every object can still be read. */
  get mostUnsynced(): number {
    return Math.min(...this.#inUse().map((one) => writeQuorumOf(one) - one.data));
  }

  get converting(): boolean {
    return this.#setup.converting ?? false;
  }

  /** Ids of those there is no point in asking now. */
  silent(): string[] {
    return this.#all.filter(({ available }) => !available).map(({ settings }) => settings.id);
  }

  /** From now on; what is under way ends as it began. */
  configure(setup: SpreadSetup): void {
    this.#all = setup.members.map((place) => {
      const known = this.#all.find(({ settings }) => settings.id === place.settings.id);
      if (known === undefined) return new Member(place, this.#datastore, this.#now);
      known.settings = place.settings;
      return known;
    });
    this.#setup = setup;
  }

  /**
   * In the order of placement, but those that are failing come last, so that reading need not wait for them.
   * @param first id of the member that is to come first this time
   */
  order(name: string, first = this.#setup.preferred): Member[] {
    const order = placementOrder(name, this.#all, first);
    return [...order.filter(({ available }) => available), ...order.filter(({ available }) => !available)];
  }

  /**
   * What members answer; those that do not are left out.
   * @param proof whether what they do not have counts
   * @throws {CairnError} where they are so many that there may be objects the others know nothing of
   */
  async askAll<T>(
    doing: string,
    ask: (backend: Backend) => Promise<T>,
    proof?: 'proven',
  ): Promise<{ readonly member: Member; readonly answer: T }[]> {
    const failures: unknown[] = [];
    const answers = await Promise.all(
      this.#all.map(async (member) => {
        try {
          const answer = await member.ask(ask);
          if (proof !== undefined) await member.prove();
          return [{ member, answer }];
        } catch (error) {
          if (kindOf(error) === 'invalid') throw error;
          failures.push(error);
          return [];
        }
      }),
    );
    if (failures.length > this.mostSilent) throw fewAnswers(doing, failures);
    return answers.flat();
  }

  #inUse(): readonly Redundancy[] {
    return [this.#setup.redundancy, ...(this.#setup.groupRedundancies ?? [])];
  }
}

/** Too many members failed for something to be done. */
export function fewAnswers(doing: string, failures: readonly unknown[]): CairnError {
  const reasons = [...new Set(failures.map((error) => (error instanceof Error ? error.message : String(error))))];
  const [first] = failures;
  return new CairnError(kindOf(first), `Cannot ${doing}: ${reasons.join('; ')}`, { cause: first });
}
