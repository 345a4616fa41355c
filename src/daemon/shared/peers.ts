import * as z from 'zod';
import type { SharedPeer } from '../../control/upload-commands.js';
import { allEpochs, joinedName, livingEpoch } from '../../datastore/shared/machine-epochs.js';
import { getIfThere, type SharedObjects } from '../../datastore/shared/shared-objects.js';
import type { Watch } from '../../datastore/shared/watch.js';

/** Other machines are looked for with each so many heartbeats of this one. */
const BEATS_BETWEEN = 3;

const joined = z.object({ host: z.string(), since: z.string() });

/** The other machines that use an object store, as this one sees them. */
export class Peers {
  readonly #objects: SharedObjects;
  readonly #watch: Watch;
  readonly #self: string;
  readonly #peers = new Map<string, SharedPeer>();
  #beats = 0;
  #isAlone = true;

  constructor(objects: SharedObjects, watch: Watch, self: string) {
    this.#objects = objects;
    this.#watch = watch;
    this.#self = self;
  }

  list(): SharedPeer[] {
    return [...this.#peers.values()];
  }

  /** Whether no other machine was ever there, or what was of it has been removed. */
  get isAlone(): boolean {
    return this.#isAlone;
  }

  /** To be called with each heartbeat. @throws {CairnError} */
  async look(): Promise<void> {
    this.#beats += 1;
    if (this.#beats % BEATS_BETWEEN !== 1) return;
    const machines = await allEpochs(this.#objects);
    this.#isAlone = [...machines.keys()].every((machine) => machine === this.#self);
    for (const machine of this.#peers.keys()) {
      if (livingEpoch(machines.get(machine) ?? []) === undefined) this.#peers.delete(machine);
    }
    for (const [machine, epochs] of machines) {
      const living = machine === this.#self ? undefined : livingEpoch(epochs);
      if (living === undefined) continue;
      const before = this.#peers.get(machine);
      const known = before?.epoch === living.number ? before : await this.#about(machine, living.number);
      const seen = await this.#watch.look(machine, living.number);
      const seenAt = seen === 'moving' ? Date.now() / 1000 : known.seenAt;
      this.#peers.set(machine, { ...known, seenAt, state: seen === 'silent' ? 'silent' : 'alive' });
    }
  }

  async #about(machine: string, epoch: number): Promise<SharedPeer> {
    const bytes = await getIfThere(this.#objects, joinedName(machine, epoch));
    const said = joined.safeParse(bytes === undefined ? undefined : JSON.parse(bytes.toString()));
    const { host, since } = said.data ?? { host: machine, since: '' };
    return { machine, host, epoch, since, seenAt: null, state: 'alive' };
  }
}
