import type { Change } from '../catalog/change.js';
import { CairnError, fromSystemError, isOutOfRoom } from '../core/errors.js';
import type { JournalBody } from '../native/journal-file.js';
import type { Journal } from './journal/journal.js';
import type { TransactionRebuild } from './rebuild.js';
import { type Room, type RoomUse, roomUseOf } from './room.js';

/** What the log applies changes to. */
export interface ChangeTarget {
  /** @returns false only where a content change's `ifVersion` does not fit */
  apply(change: Change): boolean;
}

/** What helps when the disk is full or fails. */
export interface FullDiskHelp {
  readonly room: Pick<Room, 'requireMore' | 'giveUp'>;
  readonly rebuild: Pick<TransactionRebuild, 'afterLoss' | 'keepReadable'>;
}

/** Why a store takes no changes any more. */
export interface LogFailure {
  readonly reason: string;
  readonly cause: unknown;
}

/**
 * Makes changes: appends each to the journal, then applies it to SQLite's open transaction. Both happen before the
 * caller goes on, so what it answers after `make` survives `kill -9`. The journal comes first: when it cannot be
 * written nothing has changed and the caller sees why; if SQLite then fails, the journal is right: the transaction is
 * rebuilt from it, or else the log takes no more changes, and the next mount replays.
 */
export class ChangeLog {
  readonly #journal: Journal;
  readonly #target: ChangeTarget;
  readonly #help: FullDiskHelp | undefined;
  #failure: LogFailure | undefined;
  #refusal: CairnError | undefined;
  #observer: (change: Change) => void = () => undefined;
  #sinceCommit = 0;
  #background: Promise<void> | undefined;

  constructor(journal: Journal, target: ChangeTarget, help?: FullDiskHelp) {
    this.#journal = journal;
    this.#target = target;
    this.#help = help;
  }

  /** Changes made since `committed` was told. */
  get changesSinceCommit(): number {
    return this.#sinceCommit;
  }

  /** Tells of every change, before it is applied; the observer may not throw. There is one. */
  observe(observer: (change: Change) => void): void {
    this.#observer = observer;
  }

  get failure(): LogFailure | undefined {
    return this.#failure;
  }

  /** Why the last change could not be written to the journal, where it was not for want of room; the next one may be. */
  get refusal(): CairnError | undefined {
    return this.#refusal;
  }

  /** Sequence of the last change. */
  get lastSequence(): number {
    return this.#journal.lastSequence;
  }

  /**
   * Makes one change that brings no file bytes.
   * @returns false where a content change's `ifVersion` did not fit
   * @throws {CairnError} `read-only` after a failure; `no-space` for what grows while the reserve is given up; the
   *   journal's errors, when nothing has changed
   */
  make(change: Change): boolean {
    return this.makeWithBodies(change, [], 0);
  }

  /**
   * Makes one change whose unplaced journal extents (segment 0) point into the bodies, `at` counted from the start
   * of the first one.
   */
  makeWithBodies(change: Change, bodies: readonly JournalBody[], bodyBytes: number): boolean {
    this.requireWorking();
    const use = roomUseOf(change, bodyBytes);
    if (use === 'grows') this.#help?.room.requireMore();
    const made = this.#append(use, () => this.#journal.append(change, bodies, bodyBytes));
    this.#sinceCommit += 1;
    this.#observer(made);
    return this.#apply(made);
  }

  /** What frees room may be written into the reserve. */
  #append(use: RoomUse, append: () => Change): Change {
    try {
      return this.#appended(append);
    } catch (error) {
      if (use !== 'frees' || !isOutOfRoom(error) || !this.#help?.room.giveUp('the journal')) throw error;
      return this.#appended(append);
    }
  }

  #appended(append: () => Change): Change {
    try {
      const made = append();
      this.#refusal = undefined;
      return made;
    } catch (error) {
      this.#refusal = isOutOfRoom(error) ? undefined : fromSystemError(error, 'append to the journal');
      throw error;
    }
  }

  #apply(change: Change): boolean {
    try {
      return this.#target.apply(change);
    } catch (error) {
      return this.#applyAgain(change, error);
    }
  }

  #applyAgain(change: Change, first: unknown): boolean {
    try {
      if (this.#help === undefined) throw first;
      return this.#help.rebuild.afterLoss(first);
    } catch (error) {
      this.fail(`applying a ${change.kind} change failed`, error);
      throw new CairnError('io', `Cannot apply a ${change.kind} change; the store is read-only now`, { cause: error });
    }
  }

  /** @throws {CairnError} `read-only` where no more changes are taken */
  requireWorking(): void {
    if (this.#failure === undefined) return;
    const { reason, cause } = this.#failure;
    throw new CairnError('read-only', `Store takes no changes: ${reason}`, { cause });
  }

  /** Asks background work to make no changes, so that a commit comes to its end. @returns what ends that */
  holdBackground(): () => void {
    let end: () => void = () => undefined;
    this.#background = new Promise((resolve) => {
      end = resolve;
    });
    return () => {
      this.#background = undefined;
      end();
    };
  }

  /** Resolves when background work may make changes; it asks between its steps. */
  async backgroundTurn(): Promise<void> {
    while (this.#background !== undefined) await this.#background;
  }

  /** All changes so far are in a committed transaction. */
  committed(): void {
    this.#sinceCommit = 0;
  }

  /** Takes no more changes from now on; those made can be read. The first reason stays. */
  fail(reason: string, cause: unknown): void {
    this.#failure ??= { reason, cause };
    this.keepReadable();
  }

  /** To be called now and then after a failure: where the changes made could not be read, they may be now. */
  keepReadable(): void {
    this.#help?.rebuild.keepReadable();
  }
}
