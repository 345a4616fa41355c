import { fromSystemError, isOutOfRoom } from '../core/errors.js';
import type { Clock } from '../core/time.js';
import type { ChangeLog } from './change-log.js';
import type { ChunkSink } from './chunk-sink.js';
import type { Journal } from './journal/journal.js';

/** SQLite's open transaction, as far as committing goes. */
export interface Transactions {
  /** Commits with the sequence of the last change in it and opens the next one. */
  commitAndBegin(appliedSequence: number): void;
  /** Makes the last commit survive a power cut. */
  syncCommit(): Promise<void>;
  /** The oldest segment an extent points into, if any does. */
  oldestSegmentInUse(): number | undefined;
}

/** What a commit needs on a full disk. */
export interface CommitRoom {
  prepareCommit(): Promise<void>;
  giveUp(why: string): boolean;
}

/** Holds back the kernel's requests for the moment of a commit. */
export interface RequestGate {
  pause(): void;
  resume(): void;
}

/** What a barrier syncs besides the journal. */
export interface SyncedStore {
  /** Everything stored before the call is durable when it resolves. */
  sync(): Promise<void>;
  readonly counters: {
    /** Bytes stored so far. */
    readonly encodedBytes: number;
  };
}

/** What is done around a commit. */
export interface CommitHooks {
  /** While requests are held back, before the last barrier: changes made here are in the commit. */
  before(): void;
  /** After it has returned and requests go on; no other commit begins before this resolves. */
  after(): Promise<void>;
}

const NO_HOOKS: CommitHooks = { before: () => undefined, after: () => Promise.resolve() };

/**
 * Barriers and commits (design §3). A barrier makes every change made before it survive a power cut: first the
 * chunks, then the journal. A commit comes only when everything applied is behind a barrier, so that SQLite never
 * names a chunk or journal bytes that a power cut could take.
 */
export class Durability {
  readonly #log: ChangeLog;
  readonly #journal: Journal;
  readonly #chunks: SyncedStore;
  readonly #transactions: Transactions;
  readonly #gate: RequestGate;
  readonly #clock: Clock;
  readonly #sink: ChunkSink;
  readonly #room: CommitRoom | undefined;
  #durableSequence: number;
  #durableVolume: number;
  #segmentUsers = 0;
  /** Whether the last barrier stands but could not be noted. */
  #noteFailed = false;
  /** When the last barrier began, or all was known to be durable: no change that is not is older. */
  #lastBarrierSec: number;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #committing: Promise<void> | undefined;

  constructor(parts: {
    log: ChangeLog;
    journal: Journal;
    chunks: SyncedStore;
    transactions: Transactions;
    gate: RequestGate;
    clock: Clock;
    sink: ChunkSink;
    room?: CommitRoom;
  }) {
    this.#log = parts.log;
    this.#journal = parts.journal;
    this.#chunks = parts.chunks;
    this.#transactions = parts.transactions;
    this.#gate = parts.gate;
    this.#clock = parts.clock;
    this.#sink = parts.sink;
    this.#room = parts.room;
    this.#lastBarrierSec = parts.clock.now().seconds;
    this.#durableSequence = parts.log.lastSequence;
    this.#durableVolume = this.#volume();
  }

  /** Whether every change made so far would survive a power cut. */
  get allDurable(): boolean {
    return this.#log.lastSequence <= this.#durableSequence;
  }

  /** Bytes of chunks and journal records that a power cut could take. */
  get unsyncedBytes(): number {
    return this.#volume() - this.#durableVolume;
  }

  /** Most seconds since the oldest change that a power cut would take; undefined when there is none. */
  get oldestUnsyncedSeconds(): number | undefined {
    if (this.allDurable) return undefined;
    return Math.max(0, this.#clock.now().seconds - this.#lastBarrierSec);
  }

  /**
   * Resolves when all changes made before the call survive a power cut. Calls that come while one runs share the
   * next.
   */
  barrier(): Promise<void> {
    // Between the end of one and the start of the next that waits for it, that one is still to come.
    if (this.#next !== undefined) return this.#next;
    if (this.#running === undefined) return this.allDurable ? Promise.resolve() : this.#start();
    this.#next = this.#running.catch(() => undefined).then(() => this.#start());
    return this.#next;
  }

  /** To be called now and then: while all is durable, whatever changes next is not older than this. */
  noteQuiet(): void {
    if (this.allDurable) this.#lastBarrierSec = this.#clock.now().seconds;
  }

  /**
   * A barrier, then SQLite's commit, then the end of journal segments nothing needs. One runs at a time, a call during
   * one shares it. Does nothing where no change was made.
   */
  commit(): Promise<void> {
    if (this.#committing !== undefined) return this.#committing;
    if (this.#log.changesSinceCommit === 0) return Promise.resolve();
    return this.#alone(() => this.#commit(NO_HOOKS));
  }

  /** A commit of its own that also survives a power cut when it resolves, whether changes were made or not. */
  async commitDurably(): Promise<void> {
    await this.commitWith(NO_HOOKS);
    await this.#transactions.syncCommit();
  }

  /** A commit of its own with something to do around it: for a picture that must show exactly that commit. */
  async commitWith(hooks: CommitHooks): Promise<void> {
    while (this.#committing !== undefined) await this.#committing.catch(() => undefined);
    await this.#alone(() => this.#commit(hooks));
  }

  /** Keeps journal segments that pictures may point into. @returns what ends that */
  keepSegments(): () => void {
    this.#segmentUsers += 1;
    let kept = true;
    return () => {
      if (kept) this.#segmentUsers -= 1;
      kept = false;
    };
  }

  #alone(work: () => Promise<void>): Promise<void> {
    this.#committing = work().finally(() => {
      this.#committing = undefined;
    });
    return this.#committing;
  }

  /** Bytes written so far. */
  #volume(): number {
    return this.#chunks.counters.encodedBytes + this.#journal.appendedBytes;
  }

  #start(): Promise<void> {
    this.#next = undefined;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(): Promise<void> {
    const upTo = this.#log.lastSequence;
    const volume = this.#volume();
    const startedSec = this.#clock.now().seconds;
    try {
      await this.#chunks.sync();
      await this.#journal.sync();
    } catch (error) {
      const failure = fromSystemError(error, 'make changes durable');
      this.#log.fail(failure.message, error);
      throw failure;
    }
    this.#durableSequence = Math.max(this.#durableSequence, upTo);
    this.#durableVolume = volume;
    this.#lastBarrierSec = startedSec;
    this.#noteBarrier(upTo);
  }

  #noteBarrier(upTo: number): void {
    if (this.#log.failure !== undefined) return;
    const covered = this.#log.lastSequence === upTo;
    try {
      this.#journal.appendBarrier(upTo);
      this.#noteFailed = false;
    } catch {
      // On a full disk: the barrier stands, replay only has more chunks to verify.
      this.#noteFailed = true;
      return;
    }
    // The note itself tells nothing that must last: with nothing else behind it all is durable.
    if (!covered) return;
    this.#durableSequence = this.#log.lastSequence;
    this.#durableVolume = this.#volume();
  }

  async #commit(hooks: CommitHooks): Promise<void> {
    this.#log.requireWorking();
    await this.#room?.prepareCommit();
    await this.barrier();
    const letBackgroundGo = this.#log.holdBackground();
    this.#gate.pause();
    let unneeded: number[];
    try {
      hooks.before();
      while (!this.allDurable) await this.barrier();
      this.#requireRoom();
      this.#commitNow();
      unneeded = this.#unneededSegments();
    } finally {
      letBackgroundGo();
      this.#gate.resume();
    }
    await hooks.after();
    await this.#remove(unneeded);
  }

  /**
   * SQLite rolls back a commit that finds the disk full, and the store could not go on: none is tried while there is not
   * even room for a note.
   */
  #requireRoom(): void {
    if (!this.#noteFailed) return;
    const upTo = this.#log.lastSequence;
    try {
      this.#journal.appendBarrier(upTo);
    } catch (error) {
      if (!isOutOfRoom(error) || !this.#room?.giveUp('the journal')) throw error;
      this.#journal.appendBarrier(upTo);
    }
    this.#noteFailed = false;
    this.#durableSequence = this.#log.lastSequence;
  }

  #commitNow(): void {
    try {
      const named = this.#sink.takeNamed();
      this.#transactions.commitAndBegin(this.#log.lastSequence);
      this.#log.committed();
      for (const digest of named) this.#sink.release(digest);
    } catch (error) {
      this.#log.fail('the catalog cannot be committed', error);
      throw fromSystemError(error, 'commit the catalog');
    }
  }

  /** Segments nothing in the commit that has just been made points into, and with no record behind it. */
  #unneededSegments(): number[] {
    if (this.#segmentUsers > 0) return [];
    const oldestInUse = this.#transactions.oldestSegmentInUse() ?? Number.POSITIVE_INFINITY;
    return this.#journal.closedSegments().filter((segment) => segment < oldestInUse);
  }

  async #remove(segments: readonly number[]): Promise<void> {
    if (segments.length === 0) return;
    await this.#transactions.syncCommit();
    for (const segment of segments) await this.#journal.remove(segment);
  }
}
