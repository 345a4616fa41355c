import { type Digest, digestHex } from '../../core/digest.js';
import type { MachineLease } from './machine-lease.js';
import { answerName, condemnedName, doomedName, packDigests, type Round, readDigests, roundsOf } from './rounds.js';
import type { SharedObjects } from './shared-objects.js';

/**
 * Those of the digests that this machine has, in use or in quarantine, or is about to use: as of a state that a crash
 * does not undo. What it has not it takes for gone from the object store.
 */
export type Wanted = (digests: readonly Digest[]) => Promise<readonly Digest[]>;

/** An answer that the collector may have got. */
interface Given {
  readonly round: number;
  readonly kept: Uint8Array;
}

type Forbidden = ReadonlyMap<string, unknown>;
const NOTHING: Forbidden = new Map();

/**
 * One machine's side of the collections of the object store: it keeps condemned chunks that it has, and leaves the others
 * alone until they are certainly gone.
 */
export class RoundAnswers {
  readonly #objects: SharedObjects;
  readonly #lease: MachineLease;
  readonly #wanted: Wanted;
  #forbidden: Forbidden = NOTHING;
  /** Round and phase that `#forbidden` is of. */
  #at: string | undefined;
  #given: Given | undefined;
  #settledRounds = 0;
  #isOpen = false;
  /** Before that an earlier epoch may have answered: what it did not keep may go, even if it is kept now. */
  #hasLooked = false;

  constructor(objects: SharedObjects, lease: MachineLease, wanted: Wanted) {
    this.#objects = objects;
    this.#lease = lease;
    this.#wanted = wanted;
  }

  /**
   * Whether the chunk may be put, or believed to be there because others say so. False: it may be deleted at any time, and
   * has to be put once that is over.
   */
  mayUse(digest: Digest): boolean {
    return this.#forbidden.size === 0 || !this.#forbidden.has(digestHex(digest));
  }

  /** Whether the last look found a round that has not been settled, though it condemned chunks. */
  get isRoundOpen(): boolean {
    return this.#isOpen;
  }

  /** Rises whenever chunks that were forbidden may be used again: what was seen before proves nothing about them. */
  get generation(): number {
    return this.#settledRounds;
  }

  /**
   * Looks where the collection is and answers it. Before the first look nothing may be put or believed.
   */
  async look(): Promise<void> {
    const head = await roundsOf(this.#objects).head();
    const value = head?.value;
    const at = value && `${value.round} ${value.phase}`;
    if (at !== this.#at) {
      if (value?.phase === 'proposed') await this.#answer(value);
      else if (value?.phase === 'deleting') await this.#avoid(value);
      else this.#settle();
      this.#at = at;
    }
    this.#hasLooked = true;
    this.#isOpen = value?.phase === 'proposed' || value?.phase === 'deleting';
  }

  /** A put that failed may have been carried out, or may be yet: the same is said again, and what it gave up stays given up. */
  async #answer({ round }: Round): Promise<void> {
    if (this.#given?.round !== round) this.#given = await this.#decide(round);
    const { machine, epoch } = this.#lease;
    if (this.#given !== undefined) await this.#objects.put(answerName(round, machine, epoch), this.#given.kept);
  }

  /** Undefined where the round was given up meanwhile. */
  async #decide(round: number): Promise<Given | undefined> {
    const condemned = await readDigests(this.#objects, condemnedName(round));
    if (condemned === undefined) return undefined;
    this.#settle();
    // From this moment on none of them is used anew; what is in use by then is kept.
    this.#forbidden = condemned;
    const kept = await this.#wanted([...condemned.values()]);
    if (this.#hasLooked) this.#forbidden = without(condemned, kept);
    return { round, kept: packDigests(kept) };
  }

  async #avoid({ round }: Round): Promise<void> {
    this.#forbidden = (await readDigests(this.#objects, doomedName(round))) ?? this.#forbidden;
  }

  #settle(): void {
    if (this.#forbidden.size === 0) return;
    this.#forbidden = NOTHING;
    this.#settledRounds += 1;
  }
}

function without(condemned: ReadonlyMap<string, Digest>, kept: readonly Digest[]): Forbidden {
  const gone = new Map(condemned);
  for (const digest of kept) gone.delete(digestHex(digest));
  return gone;
}
