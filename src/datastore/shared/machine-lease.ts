import { randomBytes } from 'node:crypto';
import { kindOf } from '../../core/errors.js';
import {
  beatName,
  endEpoch,
  epochsOf,
  forgetOldEpochs,
  intentsFolder,
  joinedName,
  readyName,
  requireLastEpoch,
  revokedName,
  revokedUnits,
  roundsSeenAtEnd,
} from './machine-epochs.js';
import { roundsOf } from './rounds.js';
import { removeEach, type SharedObjects, toJson } from './shared-objects.js';
import type { WithdrawnUnits } from './withdrawn-units.js';

const LOOKS_AT_ONCE = 16;

/** Who a machine is. */
export interface MachineIdentity {
  /** Of the datastore's folder: two machines never have the same. */
  readonly id: string;
  /** For people. */
  readonly host: string;
}

/**
 * A machine's right to publish in an object store, from `join` until somebody ends its epoch: itself, its next start, or
 * another machine that did not see its heartbeat move. Whether it has ended is asked after each intent was said and before
 * what was intended is done, so no clock decides.
 */
export class MachineLease {
  readonly machine: string;
  readonly epoch: number;
  /** Somebody may have collected chunks without asking this machine: nothing it knows of the object store is certain. */
  readonly missedRounds: boolean;
  readonly #objects: SharedObjects;
  /** What is revoked, of what is there. Only this machine publishes what it published before. */
  readonly #revoked: Set<string>;
  readonly #withdrawn: WithdrawnUnits | undefined;
  readonly #intents = new Map<string, string[]>();
  #beats = 0;
  #lost = false;

  private constructor(
    objects: SharedObjects,
    machine: string,
    { epoch, missedRounds, revoked }: { epoch: number; missedRounds: boolean; revoked: Iterable<string> },
    withdrawn: WithdrawnUnits | undefined,
  ) {
    this.#withdrawn = withdrawn;
    this.#objects = objects;
    this.machine = machine;
    this.epoch = epoch;
    this.missedRounds = missedRounds;
    this.#revoked = new Set(revoked);
  }

  /**
   * Begins a new epoch of a machine, in place of all before it.
   * @param withdrawn takes what this epoch withdraws
   * @throws {CairnError}
   */
  static async join(
    objects: SharedObjects,
    { id, host }: MachineIdentity,
    withdrawn?: WithdrawnUnits,
  ): Promise<MachineLease> {
    const nonce = randomBytes(8).toString('hex');
    for (;;) {
      const before = await epochsOf(objects, id);
      const last = before.at(-1);
      const epoch = (last?.number ?? 0) + 1;
      const joined = { host, pid: process.pid, nonce, since: new Date().toISOString() };
      await objects.put(beatName(id, epoch), toJson({ beats: 0 }));
      if (!(await objects.putNew(joinedName(id, epoch), toJson(joined)))) continue;
      // Only now, so that at no time the machine seems to have gone.
      let wasAsked = false;
      for (const { number } of before) {
        const ended = await endEpoch(objects, id, number, nonce);
        if (number === last?.number) wasAsked = ended || (await hasMissedNothing(objects, id, number));
      }
      wasAsked &&= last?.ready === true;
      await forgetOldEpochs(objects, id);
      const revoked = await revokedUnits(objects);
      return new MachineLease(objects, id, { epoch, missedRounds: !wasAsked, revoked }, withdrawn);
    }
  }

  /** What was revoked when the epoch began, or was by it. */
  get revoked(): ReadonlySet<string> {
    return this.#revoked;
  }

  /** Whether it was found to have ended. */
  get isLost(): boolean {
    return this.#lost;
  }

  /** Says that the machine knows what is in the object store, for the next epoch to go on from. */
  async sayReady(): Promise<void> {
    await this.#objects.put(readyName(this.machine, this.epoch), Buffer.alloc(0));
  }

  /** Shows that the machine lives. @throws {CairnError} `stale` where the epoch has ended */
  async beat(): Promise<void> {
    this.#beats += 1;
    await this.#objects.put(beatName(this.machine, this.epoch), toJson({ beats: this.#beats }));
    await this.check();
  }

  /** @throws {CairnError} `stale` where the epoch has ended */
  async check(): Promise<void> {
    try {
      await requireLastEpoch(this.#objects, this.machine, this.epoch);
    } catch (error) {
      if (kindOf(error) === 'stale') this.#lost = true;
      throw error;
    }
  }

  /**
   * Publishes units: what is named by the object that completes it. All chunks they name are in the object store.
   * @param put puts everything, the completing objects last; it may be called for the same units again, after errors too
   * @throws {CairnError} `stale` where the epoch has ended; what `put` failed with
   */
  async publish<T>(units: readonly string[], put: () => Promise<T>): Promise<T> {
    this.#withdrawn?.remove(units);
    const intent = `${intentsFolder(this.machine, this.epoch)}/${randomBytes(8).toString('hex')}`;
    for (const unit of units) this.#intents.set(unit, [...(this.#intents.get(unit) ?? []), intent]);
    await this.#objects.put(intent, toJson(units));
    await this.check();
    const result = await put();
    const again = units.filter((unit) => this.#revoked.has(unit));
    if (again.length > 0) {
      // An epoch that has ended meanwhile may have been ended before they were there.
      await this.check();
      await this.#objects.removeAll(again.map(revokedName));
      for (const unit of again) this.#revoked.delete(unit);
    }
    const said = units.flatMap((unit) => this.#intents.get(unit) ?? []);
    await removeEach(this.#objects, [...new Set(said)]);
    for (const unit of units) this.#intents.delete(unit);
    return result;
  }

  /**
   * Takes published units away, while none of them is being published. They are revoked first: a put of theirs that still is on its way brings nothing back.
   * @param remove removes their objects
   * @throws {CairnError} `stale` where the epoch has ended
   */
  async withdraw<T>(units: readonly string[], remove: () => Promise<T>): Promise<T> {
    for (const unit of units) await this.#objects.put(revokedName(unit), toJson({ machine: this.machine }));
    for (const unit of units) this.#revoked.add(unit);
    await this.check();
    const removed = await remove();
    this.#withdrawn?.add(units);
    return removed;
  }

  /**
   * Removes the marks of units that were withdrawn so long ago that nothing brings them back. What came late keeps its mark.
   * @param settleSeconds how long a request may still be carried out after it was sent
   * @returns how many
   * @throws {CairnError} `stale` where the epoch has ended
   */
  async removeMarks(settleSeconds: number): Promise<number> {
    const units = this.#withdrawn?.due(settleSeconds) ?? [];
    if (units.length === 0) return 0;
    await this.check();
    const gone: string[] = [];
    for (let done = 0; done < units.length; done += LOOKS_AT_ONCE) {
      const some = units.slice(done, done + LOOKS_AT_ONCE);
      const sizes = await Promise.all(some.map((unit) => this.#objects.size(unit)));
      gone.push(...some.filter((_, index) => sizes[index] === undefined));
    }
    await removeEach(this.#objects, gone.map(revokedName));
    for (const unit of gone) this.#revoked.delete(unit);
    this.#withdrawn?.remove(units);
    return gone.length;
  }

  /** Ends the epoch: other machines need not wait for this one. */
  async leave(): Promise<void> {
    // Looked at while a collection that begins waits for this machine.
    const head = await roundsOf(this.#objects).head();
    const isQuiet = head === undefined || head.value.phase === 'settled';
    this.#lost = true;
    await endEpoch(this.#objects, this.machine, this.epoch, 'left', isQuiet ? (head?.number ?? 0) : undefined);
  }
}

/** Whether no collection began since the machine left by itself. To be asked after its new epoch has begun. */
async function hasMissedNothing(objects: SharedObjects, machine: string, left: number): Promise<boolean> {
  const seen = await roundsSeenAtEnd(objects, machine, left);
  return seen !== undefined && seen === ((await roundsOf(objects).head())?.number ?? 0);
}
