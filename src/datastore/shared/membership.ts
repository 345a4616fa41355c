import type { Digest } from '../../core/digest.js';
import { kindOf } from '../../core/errors.js';
import { revokedUnits } from './machine-epochs.js';
import { type MachineIdentity, MachineLease } from './machine-lease.js';
import { RoundAnswers, type Wanted } from './round-answers.js';
import type { SharedObjects } from './shared-objects.js';
import { WithdrawnUnits } from './withdrawn-units.js';

/** What a machine believes of the object store, as far as others can make it wrong. */
export interface LocalBeliefs {
  readonly wanted: Wanted;
  /**
   * Corrects what is believed: chunks that are not in the object store have to be put again, and units that are revoked
   * published again.
   * @param isThere of chunks that were believed to be there before the call
   */
  correct(isThere: (digest: Digest) => boolean, revoked: ReadonlySet<string>): Promise<void>;
}

/** One stretch of time for which the machine knows what is in the object store. */
export interface Session {
  readonly lease: MachineLease;
  readonly answers: RoundAnswers;
  /** False once it is over: what was found out in it may not be noted any more. */
  readonly isCurrent: boolean;
}

interface MembershipParts {
  readonly objects: SharedObjects;
  readonly identity: MachineIdentity;
  readonly beliefs: LocalBeliefs;
  /** All chunks that are in the object store: whether it has one. */
  readonly listChunks: () => Promise<(digest: Digest) => boolean>;
  /** As `RoundLease.recover`, with this lease. */
  readonly recover: (lease: MachineLease) => Promise<void>;
  /** Seconds of a clock that is never set. */
  readonly now: () => number;
  /** Whether a unit that is revoked is this machine's, as none of another is, and is not published again. */
  readonly isOver: (unit: string) => boolean;
}

interface Stay {
  readonly lease: MachineLease;
  readonly answers: RoundAnswers;
  readonly session: Session;
  /** No collection is under way that did not ask this machine. */
  isAsked: boolean;
  isReady: boolean;
}

/**
 * A machine's being one of several at an object store: it joins, shows that it lives, answers collections, and where it
 * was taken for dead joins again and finds out what became of its chunks. `tick` is to be called several times in a lease
 * time, `prepare` whenever a tick has ended; neither is called again before it has ended.
 */
export class Membership {
  readonly #parts: MembershipParts;
  readonly #withdrawn: WithdrawnUnits;
  #hasJoined = false;
  #stay: Stay | undefined;

  constructor(parts: MembershipParts) {
    this.#parts = parts;
    this.#withdrawn = new WithdrawnUnits(parts.now);
  }

  /** Undefined while it is not known what is in the object store: then nothing may be put there or published. */
  get session(): Session | undefined {
    return this.#stay?.isReady === true ? this.#stay.session : undefined;
  }

  /** The lease, also before it is known what is in the object store. */
  get lease(): MachineLease | undefined {
    return this.#stay?.lease;
  }

  /**
   * Joins where that was not done, and shows that the machine lives.
   * @throws {CairnError} what the object store failed with; the next tick goes on
   */
  async tick(): Promise<void> {
    const stay = this.#stay ?? (await this.#join());
    this.#stay = stay;
    try {
      await stay.lease.beat();
      await stay.answers.look();
      if (!stay.answers.isRoundOpen) stay.isAsked = true;
      if (!stay.lease.missedRounds && !stay.isReady) await this.#begin(stay);
    } catch (error) {
      if (kindOf(error) === 'stale') this.#stay = undefined;
      throw error;
    }
  }

  /**
   * Finds out what is in the object store, where collections may have passed this machine by; ends those whose collector
   * has gone, which may take as long as requests live.
   */
  async prepare(): Promise<void> {
    const stay = this.#stay;
    const { listChunks, beliefs, objects, recover } = this.#parts;
    if (stay?.answers.isRoundOpen) await recover(stay.lease);
    if (stay === undefined || stay.isReady || !stay.isAsked) return;
    const isThere = await listChunks();
    await beliefs.correct(isThere, await revokedUnits(objects));
    await this.#begin(stay);
  }

  async #begin(stay: Stay): Promise<void> {
    await stay.lease.sayReady();
    if (this.#stay === stay) stay.isReady = true;
  }

  /** Ends the lease: no other machine waits for this one. */
  async leave(): Promise<void> {
    const stay = this.#stay;
    this.#stay = undefined;
    await stay?.lease.leave();
  }

  async #join(): Promise<Stay> {
    const { objects, identity, beliefs, isOver } = this.#parts;
    const lease = await MachineLease.join(objects, identity, this.#withdrawn);
    // Only those of processes that are no more: one of this process's may just be on its way to be put.
    if (!this.#hasJoined) this.#withdrawn.add([...lease.revoked].filter(isOver));
    this.#hasJoined = true;
    const answers = new RoundAnswers(objects, lease, beliefs.wanted);
    const isCurrent = (): boolean => this.#stay?.session === session && !lease.isLost;
    const session: Session = {
      lease,
      answers,
      get isCurrent() {
        return isCurrent();
      },
    };
    return { lease, answers, session, isAsked: false, isReady: false };
  }
}
