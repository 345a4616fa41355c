import { randomBytes } from 'node:crypto';
import { CairnError } from '../../core/errors.js';
import { endEpoch, epochsOf, livingEpoch } from './machine-epochs.js';
import type { MachineIdentity, MachineLease } from './machine-lease.js';
import type { RecordChain } from './record-chain.js';
import { type Round, type RoundRecord, roundFolder, roundsOf } from './rounds.js';
import { namesBelow, removeEach, type SharedObjects } from './shared-objects.js';
import type { Watch } from './watch.js';

/** What it takes to be the one collector of an object store. */
export interface RoundLeaseParts {
  readonly objects: SharedObjects;
  readonly lease: Pick<MachineLease, 'machine' | 'epoch' | 'check'>;
  readonly identity: MachineIdentity;
  readonly watch: Watch;
  /** Seconds of a clock that is never set. */
  now(): number;
  /** How long a request may still be carried out after it was sent. */
  readonly settleSeconds: number;
  /** Waits for a while before something is looked at again. @throws {CairnError} `interrupted` */
  rest(): Promise<void>;
}

/** The right to collect, from `begin` until the round is settled, or somebody else takes it over. */
export class RoundLease {
  readonly #parts: RoundLeaseParts;
  readonly #chain: RecordChain<Round>;
  /** The record that was written last. */
  #at = 0;
  #round = 0;

  constructor(parts: RoundLeaseParts) {
    this.#parts = parts;
    this.#chain = roundsOf(parts.objects);
  }

  get round(): number {
    return this.#round;
  }

  /**
   * Begins a round, where nobody else has one.
   * @throws {CairnError} `busy` saying who has
   */
  async begin(): Promise<void> {
    const head = await this.#chain.head();
    if (head !== undefined && head.value.phase !== 'settled')
      await this.#end(head, await this.#whetherGone(head.value));
    const last = await this.#chain.head();
    await this.#append(last, { round: (last?.value.round ?? 0) + 1, phase: 'marking' });
  }

  /** Settles a round whose collector has gone; others may be waiting for it. Does nothing where it may still be at work. */
  async recover(): Promise<void> {
    const head = await this.#chain.head();
    if (head === undefined || head.value.phase === 'settled') return;
    const seen = await this.#look(head.value);
    if (seen === 'gone') await this.#end(head, seen);
  }

  /** @throws {CairnError} `busy` or `stale` where somebody else has taken over */
  async advance(phase: Round['phase']): Promise<void> {
    await this.#append({ number: this.#at }, { round: this.#round, phase });
  }

  /** Whether nobody has taken over. */
  isHeld(): Promise<boolean> {
    return this.#chain.isLast(this.#at);
  }

  /** Waits until what was sent and not answered cannot be carried out any more. */
  async waitForRequests(): Promise<void> {
    const { now, settleSeconds, rest } = this.#parts;
    const from = now();
    while (now() - from < settleSeconds) await rest();
  }

  /** Others need not wait for a round that deleted nothing yet. */
  async giveUp(): Promise<void> {
    const head = await this.#chain.head();
    if (head?.number !== this.#at || head.value.phase === 'deleting' || head.value.phase === 'settled') return;
    await this.advance('settled');
  }

  /** Removes what a settled round leaves. */
  async clear(): Promise<void> {
    const { objects } = this.#parts;
    await removeEach(objects, await namesBelow(objects, roundFolder(this.#round)));
    await this.#chain.removeBefore(this.#at);
  }

  /** Looks as long as it takes to know. */
  async #whetherGone(by: Round): Promise<'gone' | 'alive'> {
    for (;;) {
      const seen = await this.#look(by);
      if (seen !== 'unknown') return seen;
      await this.#parts.rest();
    }
  }

  async #look(by: Round): Promise<'gone' | 'alive' | 'unknown'> {
    const { objects, lease, watch } = this.#parts;
    // Another collection of this machine: it has ended, one runs at a time.
    if (by.machine === lease.machine) return 'gone';
    const living = livingEpoch(await epochsOf(objects, by.machine));
    if (living?.number !== by.epoch) return 'gone';
    const seen = await watch.look(by.machine, by.epoch);
    if (seen !== 'silent') return seen === 'moving' ? 'alive' : 'unknown';
    await endEpoch(objects, by.machine, by.epoch, lease.machine);
    return 'gone';
  }

  async #end(head: RoundRecord, seen: 'gone' | 'alive'): Promise<void> {
    const { round, phase, machine, host, since } = head.value;
    if (seen === 'alive') {
      throw new CairnError('busy', `${host} (machine ${machine}) collects the object store since ${since}`);
    }
    if (phase === 'deleting') {
      await this.#append(head, { round, phase });
      // Deletions of the one before may still be on their way.
      await this.waitForRequests();
      await this.advance('settled');
    } else await this.#append(head, { round, phase: 'settled' });
  }

  async #append(
    after: { readonly number: number } | undefined,
    { round, phase }: Pick<Round, 'round' | 'phase'>,
  ): Promise<void> {
    const { lease, identity } = this.#parts;
    // Without a lease nobody waits for this machine, and others take over.
    await lease.check();
    const number = await this.#chain.append(after?.number, {
      ...{ round, phase, machine: lease.machine, epoch: lease.epoch, host: identity.host },
      ...{ since: new Date().toISOString(), nonce: randomBytes(8).toString('hex') },
    });
    if (number === undefined) throw new CairnError('busy', 'Another machine collects the object store just now');
    this.#at = number;
    this.#round = round;
  }
}
