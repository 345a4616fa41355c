import { beatName } from './machine-epochs.js';
import { getIfThere, type SharedObjects } from './shared-objects.js';

interface Seen {
  readonly beat: string;
  readonly at: number;
}

/**
 * Tells machines that live from those that do not: whose heartbeat did not change for the lease time, by this machine's
 * own clock. Wall clocks and other machines' clocks mean nothing; who is taken for dead wrongly loses its lease, no data.
 */
export class Watch {
  readonly #objects: SharedObjects;
  readonly #now: () => number;
  readonly #leaseSeconds: number;
  readonly #seen = new Map<string, Seen>();

  /** @param now seconds of a clock that is never set */
  constructor(objects: SharedObjects, now: () => number, leaseSeconds: number) {
    this.#objects = objects;
    this.#now = now;
    this.#leaseSeconds = leaseSeconds;
  }

  /** Whether the epoch's heartbeat has been seen to stand still for the lease time; never at the first look. */
  async isSilent(machine: string, epoch: number): Promise<boolean> {
    return (await this.look(machine, epoch)) === 'silent';
  }

  /** What the epoch's heartbeat does, as far as it has been looked at; `standing` may become either of the others. */
  async look(machine: string, epoch: number): Promise<'moving' | 'standing' | 'silent'> {
    const key = beatName(machine, epoch);
    const before = this.#now();
    const beat = (await getIfThere(this.#objects, key))?.toString() ?? '';
    const seen = this.#seen.get(key);
    if (seen === undefined || seen.beat !== beat) {
      this.#seen.set(key, { beat, at: this.#now() });
      return seen === undefined ? 'standing' : 'moving';
    }
    return before - seen.at >= this.#leaseSeconds ? 'silent' : 'standing';
  }
}
