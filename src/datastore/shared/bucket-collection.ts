import { type Digest, digestHex } from '../../core/digest.js';
import { CairnError, kindOf } from '../../core/errors.js';
import { allEpochs, completeEndings, endEpoch, livingEpoch } from './machine-epochs.js';
import { RoundLease, type RoundLeaseParts } from './round-lease.js';
import { answerName, answersOf, condemnedName, doomedName, packDigests, readDigests } from './rounds.js';

/** What index files name, read one after the other. */
export interface BucketRoots {
  /** Adds all that index files and pins name which are there now; those that were read before are not read again. */
  mark(): Promise<void>;
  has(digest: Digest): boolean;
}

/** A chunk in the object store. */
export interface BucketChunk {
  readonly digest: Digest;
  readonly name: string;
}

/** What a collection of the object store works with. */
export interface BucketCollectionParts extends RoundLeaseParts {
  /** A new mark; nothing is in it. */
  roots(): BucketRoots;
  /** Chunks that are in the object store, in any order. */
  chunks(): AsyncIterable<BucketChunk>;
  /** Most chunks one collection takes. */
  readonly atOnce: number;
  progress(step: string, done: number, total: number): void;
}

/** What a collection did. */
export interface BucketReport {
  readonly condemned: number;
  /** In use by some machine, or published meanwhile. */
  readonly kept: number;
  readonly deleted: number;
}

const DELETED_AT_ONCE = 1000;
const TRIES = 6;
/** A look at the lease that was begun this part of the settle time ago allows nothing any more. */
const OLD_LOOK = 1 / 6;
/** Errors of a try that the next one may not meet. */
const MAY_PASS: ReadonlySet<string> = new Set(['unreachable', 'throttled', 'io']);

/**
 * One collection of the object store that machines share. README.md has the order of its steps, which is all.
 */
export class BucketCollection {
  readonly #parts: BucketCollectionParts;
  readonly #round: RoundLease;
  readonly #condemned = new Map<string, BucketChunk>();

  constructor(parts: BucketCollectionParts) {
    this.#parts = parts;
    this.#round = new RoundLease(parts);
  }

  /**
   * @throws {CairnError} `busy` where another machine collects, `stale` where this one's collection was taken over or its
   *   lease has ended, `interrupted`, and whatever the object store fails with; then nothing is lost
   */
  async run(): Promise<BucketReport> {
    await this.#round.begin();
    try {
      return await this.#collect();
    } catch (error) {
      await this.#round.giveUp().catch(() => undefined);
      throw error;
    }
  }

  async #collect(): Promise<BucketReport> {
    const { objects } = this.#parts;
    await completeEndings(objects);
    const roots = this.#parts.roots();
    await roots.mark();
    await this.#condemn(roots);
    const condemned = this.#condemned.size;
    if (condemned > 0) {
      await objects.put(condemnedName(this.#round.round), this.#packed());
      await this.#round.advance('proposed');
      for (const key of await this.#answers()) this.#condemned.delete(key);
      await completeEndings(objects);
      // What machines published that ended before they answered.
      await roots.mark();
      for (const [key, { digest }] of this.#condemned) if (roots.has(digest)) this.#condemned.delete(key);
    }
    if (this.#condemned.size > 0) await this.#delete([...this.#condemned.values()]);
    await this.#round.advance('settled');
    await this.#round.clear();
    return { condemned, kept: condemned - this.#condemned.size, deleted: this.#condemned.size };
  }

  async #condemn(roots: BucketRoots): Promise<void> {
    for await (const chunk of this.#parts.chunks()) {
      if (this.#condemned.size >= this.#parts.atOnce) return;
      if (!roots.has(chunk.digest)) this.#condemned.set(digestHex(chunk.digest), chunk);
    }
  }

  #packed(): Buffer {
    return packDigests([...this.#condemned.values()].map(({ digest }) => digest));
  }

  /** Waits until every machine that lives has said what it keeps. @returns what they keep, as hex */
  async #answers(): Promise<Set<string>> {
    const { objects, lease, rest, progress } = this.#parts;
    for (;;) {
      // In this order: who comes after the first look has asked where the collection is before it relies on anything.
      const machines = await allEpochs(objects);
      const answers = await answersOf(objects, this.#round.round);
      const missing: [string, number][] = [];
      for (const [machine, epochs] of machines) {
        const living = livingEpoch(epochs);
        if (living !== undefined && !answers.has(`${machine}.${living.number}`)) missing.push([machine, living.number]);
      }
      if (missing.length === 0) return this.#read(answers);
      progress('waiting for other machines', machines.size - missing.length, machines.size);
      await this.#endSilent(missing);
      await lease.check();
      await rest();
    }
  }

  async #endSilent(missing: readonly [machine: string, epoch: number][]): Promise<void> {
    const { objects, watch, lease } = this.#parts;
    for (const [machine, epoch] of missing) {
      if (machine === lease.machine || !(await watch.isSilent(machine, epoch))) continue;
      await endEpoch(objects, machine, epoch, lease.machine);
    }
  }

  async #read(answers: ReadonlySet<string>): Promise<Set<string>> {
    const kept = new Set<string>();
    for (const answer of answers) {
      const at = answer.lastIndexOf('.');
      const name = answerName(this.#round.round, answer.slice(0, at), Number(answer.slice(at + 1)));
      for (const key of (await readDigests(this.#parts.objects, name))?.keys() ?? []) kept.add(key);
    }
    return kept;
  }

  async #delete(chunks: readonly BucketChunk[]): Promise<void> {
    const { objects, progress } = this.#parts;
    await objects.put(doomedName(this.#round.round), this.#packed());
    await this.#round.advance('deleting');
    const before = objects.unanswered();
    for (let done = 0; done < chunks.length; done += DELETED_AT_ONCE) {
      await this.#deleteAll(chunks.slice(done, done + DELETED_AT_ONCE).map(({ name }) => name));
      progress('deleting chunks', Math.min(chunks.length, done + DELETED_AT_ONCE), chunks.length);
    }
    if (objects.unanswered() !== before) await this.#round.waitForRequests();
  }

  /** Looks before each try whether it may still be made, and makes it at once after that or looks again. */
  async #deleteAll(names: readonly string[]): Promise<void> {
    const { now, settleSeconds } = this.#parts;
    for (let tries = 1; ; tries += 1) {
      const looked = now();
      if (!(await this.#round.isHeld())) {
        throw new CairnError('stale', 'Another machine has taken over the collection of the object store');
      }
      if (now() - looked > settleSeconds * OLD_LOOK) continue;
      try {
        await this.#parts.objects.deleteOnce(names);
        return;
      } catch (error) {
        if (tries >= TRIES || !MAY_PASS.has(kindOf(error))) throw error;
        await this.#parts.rest();
      }
    }
  }
}
