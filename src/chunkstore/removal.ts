import pLimit from 'p-limit';
import type { Backend } from '../backend/backend.js';
import type { Digest } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import { betweenPictures } from '../native/digest-locks.js';
import { beginSweep as beginSweepOfHolds, endSweep } from '../native/holds.js';
import { FILES_PER_STEP, MAX_BATCH, slices } from './batches.js';
import type { ChunkStates } from './chunk-states.js';
import { type ChunkGuards, processGuards } from './guards.js';
import { chunkName, type PrefixDigits, quarantineName } from './layout.js';

/** What a sweep works on. */
export interface SweepParts {
  /** Where the chunks are. */
  readonly backend: Backend;
  readonly prefixDigits: PrefixDigits;
  readonly states: ChunkStates;
  /** The wall clock's seconds since 1970 at its beginning: quarantined chunks bear them. */
  readonly since: number;
  /** Files moved or deleted by one call of the backend; given in tests only. */
  readonly filesPerStep?: number;
}

/** Steps under way at a time: the threads they take are missing to the mount's readers. */
const STEPS_AT_ONCE = 2;

/** What keeps a sweep apart from everybody else; given in tests only. */
export interface SweepGuards extends Pick<ChunkGuards, 'isHeld' | 'tryLock' | 'unlock'> {
  /** From now on no hold ends; false while another sweep runs. */
  begin(): boolean;
  end(): void;
  /** Runs `work` while no job is between its picture and the commit of what it made. */
  betweenPictures<T>(work: () => T | Promise<T>): Promise<T>;
}

/** What became of chunks that were to be removed; each is in one of the lists. */
export interface Removal {
  readonly removed: Digest[];
  /** In use: held, or being written, verified or restored right now. Nothing was done. */
  readonly held: Digest[];
  /** They had no file; now it is also written down. */
  readonly absent: Digest[];
}

/** Whether what is removed waits in the quarantine, or is gone at once. */
export type RemovalKind = 'quarantine' | 'delete';

/**
 * Begins a sweep; one runs at a time in a process. It ends with `end`, or with the thread.
 * @throws {CairnError} `busy` while another one runs
 */
export function beginSweep(parts: SweepParts, guards: SweepGuards = processSweepGuards()): Sweep {
  if (!guards.begin()) throw new CairnError('busy', 'Another sweep of the datastore is running');
  return new Sweep(parts, guards);
}

function processSweepGuards(): SweepGuards {
  const { isHeld, tryLock, unlock } = processGuards();
  return { isHeld, tryLock, unlock, begin: beginSweepOfHolds, end: () => void endSweep(), betweenPictures };
}

/**
 * Removal that cannot hit a chunk in use, whatever else goes on (design §3). Its order is all: begin (from then on no
 * hold ends), `mark` (the collector opens its picture of what is referenced), `remove` (what is in no root), end. What a
 * writer names after the picture it has held since before, or finds gone and stores anew.
 */
export class Sweep {
  readonly #parts: SweepParts;
  readonly #guards: SweepGuards;
  readonly #limit = pLimit(STEPS_AT_ONCE);
  #marked = false;
  #ended = false;

  /** Use `beginSweep`. */
  constructor(parts: SweepParts, guards: SweepGuards) {
    this.#parts = parts;
    this.#guards = guards;
  }

  /**
   * The moment the mark is about: runs `openPicture`, which should do no more than open the read transaction (or several)
   * that the mark is read from. No job is then between its own picture and the commit of what it made, so what it will
   * name is in the mark; it waits for such jobs, and new ones wait meanwhile.
   */
  async mark<T>(openPicture: () => T | Promise<T>): Promise<T> {
    this.#requireRunning();
    const picture = await this.#guards.betweenPictures(openPicture);
    this.#marked = true;
    return picture;
  }

  /**
   * Removes chunks that the mark does not have, at most `MAX_BATCH`, each given once: forgotten first, all by one commit,
   * then their files go. May be given the same chunks again, also after a crash or an error. Batches may overlap.
   * @throws {CairnError} what forgetting or the backend failed with; some may have been removed
   */
  async remove(digests: readonly Digest[], kind: RemovalKind): Promise<Removal> {
    this.#requireRunning();
    if (!this.#marked) throw new CairnError('invalid', 'A sweep removes nothing before its mark');
    if (digests.length > MAX_BATCH) throw new CairnError('invalid', `${digests.length} chunks are too many at once`);
    const locked = digests.filter((digest) => this.#guards.tryLock(digest));
    try {
      const free = locked.filter((digest) => !this.#guards.isHeld(digest));
      const there = free.length === 0 ? [] : await this.#remove(free, kind);
      const doomed = new Set(free);
      return {
        removed: free.filter((_, index) => there[index] === true),
        held: digests.filter((digest) => !doomed.has(digest)),
        absent: free.filter((_, index) => there[index] !== true),
      };
    } finally {
      for (const digest of locked) this.#guards.unlock(digest);
    }
  }

  /** Makes what was removed durable and lets holds end. Idempotent. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    try {
      await this.#parts.backend.sync();
    } finally {
      this.#guards.end();
    }
  }

  async #remove(digests: readonly Digest[], kind: RemovalKind): Promise<boolean[]> {
    const { states, filesPerStep = FILES_PER_STEP } = this.#parts;
    await states.forget(digests, kind === 'quarantine' ? 'quarantined' : 'absent');
    const steps = [...slices(digests, filesPerStep)];
    const done = await Promise.allSettled(steps.map((step) => this.#limit(() => this.#removeFiles(step, kind))));
    // Only now that no step runs on may the locks end.
    return done.flatMap((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
  }

  #removeFiles(digests: readonly Digest[], kind: RemovalKind): Promise<boolean[]> {
    const { backend, prefixDigits, since } = this.#parts;
    const names = digests.map((digest) => chunkName(digest, prefixDigits));
    if (kind === 'delete') return backend.removeAll(names);
    return backend.moveAll(
      digests.map((digest, index) => ({ from: names[index] as string, to: quarantineName(digest, since) })),
    );
  }

  #requireRunning(): void {
    if (this.#ended) throw new CairnError('invalid', 'The sweep has ended');
  }
}
