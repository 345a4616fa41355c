import { CairnError } from '../core/errors.js';
import { type Connection, fromSqliteError, isRefusal, isUnreadPage, type ReadGuard } from './connection.js';
import type { Counters } from './counters.js';

/**
 * How the writer's transaction stands: `none`; `open`; `failed`: a change failed half-way, so it must be rolled
 * back; `lost`: SQLite rolled it back by itself (a full disk, an I/O error). After `failed` and `lost` comes
 * `rollback`, then `begin` and the journal's records from `appliedSequence` on, or the store turns read-only.
 */
export type TransactionState = 'none' | 'open' | 'failed' | 'lost';

/** What a checkpoint did, in pages of the write-ahead log. */
export interface CheckpointFigures {
  /** Whether somebody's reading or writing kept it from finishing. */
  readonly busy: boolean;
  readonly logPages: number;
  readonly copiedPages: number;
}

export type CheckpointMode = 'passive' | 'full' | 'restart' | 'truncate';

/** Runs a checkpoint on a connection that has no transaction open. */
export function runCheckpoint(connection: Connection, mode: CheckpointMode): CheckpointFigures {
  try {
    const rows = connection.database.pragma(`wal_checkpoint(${mode.toUpperCase()})`);
    const [row] = rows as [{ busy: number; log: number; checkpointed: number }];
    return { busy: row.busy !== 0, logPages: row.log, copiedPages: row.checkpointed };
  } catch (error) {
    throw fromSqliteError(error, 'checkpoint the catalog');
  }
}

/** The writer's one transaction at a time. Every write happens inside one, and reads see what is in it or fail. */
export class Transactions implements ReadGuard {
  readonly #connection: Connection;
  readonly #counters: Counters;
  readonly #forget: () => void;
  readonly #begin;
  readonly #commit;
  readonly #rollback;
  #began = false;
  #failed = false;
  #rollbacks = 0;
  #onlyChanges = true;
  #writing = false;
  /** Why reads would show less than was acknowledged. */
  #unsound: CairnError | undefined;
  #restore: (error: unknown) => void = () => undefined;

  /** @param forget drops what is held in memory of rows that a rollback takes back */
  constructor(connection: Connection, counters: Counters, forget: () => void) {
    this.#connection = connection;
    this.#counters = counters;
    this.#forget = forget;
    this.#begin = connection.write('BEGIN IMMEDIATE');
    this.#commit = connection.write('COMMIT');
    this.#rollback = connection.write('ROLLBACK');
    connection.guard = this;
  }

  get state(): TransactionState {
    if (!this.#began) return 'none';
    if (!this.#connection.database.inTransaction) return 'lost';
    return this.#failed ? 'failed' : 'open';
  }

  /** Whether one is open and has all that was put into it. */
  get isSound(): boolean {
    return this.state === 'open' && this.#unsound === undefined;
  }

  /** Counts rollbacks: what was learnt of uncommitted rows before one is void after it. */
  get rollbacks(): number {
    return this.#rollbacks;
  }

  /** Whether all in the transaction can be had again: from the journal, or because it is still queued. */
  get losesOnlyChanges(): boolean {
    return this.#onlyChanges;
  }

  /** @throws {CairnError} `busy` where one is open already or another process writes */
  begin(): void {
    if (this.#began) throw new CairnError('busy', 'A catalog transaction is open already');
    this.#run(this.#begin, 'begin a catalog transaction');
    this.#began = true;
    this.#onlyChanges = true;
  }

  /**
   * Makes everything since `begin` visible to readers, together with the sequence of the last journal record it
   * contains. It is durable once the write-ahead log (`<catalog>-wal`) or a checkpoint was synced after it.
   * Where it fails and the state is still `open`, it may be tried again.
   */
  commit(appliedSequence: number): void {
    this.requireOpen();
    const before = this.#counters.meta.appliedSequence;
    try {
      this.#counters.meta.appliedSequence = appliedSequence;
      this.#counters.store();
      this.#commit.run();
    } catch (error) {
      this.#counters.meta.appliedSequence = before;
      // SQLite takes no more writes into a transaction in which a page could not be read.
      if (isUnreadPage(error)) this.#failed = true;
      if (!this.#connection.database.inTransaction) this.#forget();
      throw fromSqliteError(error, 'commit the catalog');
    }
    this.#began = false;
  }

  /** Goes back to the last commit, whatever the state; does nothing where none is open. */
  rollback(): void {
    if (!this.#began) return;
    if (this.#connection.database.inTransaction) this.#run(this.#rollback, 'roll the catalog back');
    this.#began = false;
    this.#failed = false;
    this.#rollbacks += 1;
    this.#counters.reload();
    this.#forget();
  }

  /**
   * Rolls back and begins anew. Numbers given out since the last commit are not given out again, for some may be in use
   * that no change has named yet. Where it fails, reads fail until it is done again: they would show the last commit.
   * @param redo makes the changes since the last commit again
   * @param where `in-memory`: from now on nothing is written before a commit, and none is to come
   */
  restart(redo: () => void, where: 'on-disk' | 'in-memory' = 'on-disk'): void {
    const { nextIno } = this.#counters.meta;
    this.#unsound = undefined;
    try {
      this.rollback();
      if (where === 'in-memory') this.#connection.database.pragma('cache_spill = OFF');
      this.begin();
      redo();
    } catch (error) {
      this.#forget();
      const what = 'The changes since the last commit are in the journal, and cannot be shown';
      this.#unsound = new CairnError('io', `${what}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
      throw error;
    }
    this.#counters.meta.nextIno = Math.max(this.#counters.meta.nextIno, nextIno);
  }

  /**
   * Who makes the transaction anew, by `restart`, where a read or a write that is no change has spoilt it; may not throw.
   * After changes and commits their caller does so.
   */
  restoreWith(restore: (error: unknown) => void): void {
    this.#restore = restore;
  }

  requireSound(): void {
    if (this.#unsound !== undefined && !this.#writing) throw this.#unsound;
  }

  mayReadAgain(error: unknown): boolean {
    if (this.#writing) return false;
    if (!this.#began) return isUnreadPage(error);
    if (this.#connection.database.inTransaction && !isUnreadPage(error)) return false;
    this.#failed = true;
    this.#forget();
    this.#restore(error);
    return this.isSound;
  }

  /** Sequence of the last journal record the last commit contains. */
  appliedSequence(): number {
    return this.#counters.meta.appliedSequence;
  }

  /**
   * Copies the write-ahead log into the database, on this connection.
   * @throws {CairnError} `busy` while a transaction is open
   */
  checkpoint(mode: CheckpointMode): CheckpointFigures {
    if (this.#began) throw new CairnError('busy', 'A checkpoint waits for the open catalog transaction to end');
    return runCheckpoint(this.#connection, mode);
  }

  /**
   * Runs a write inside the open transaction. A CairnError of `work` says that nothing was changed; anything
   * else may have stopped half-way and makes the transaction `failed`.
   * @param again how it comes back after a rollback: from the `journal`, because it is still `queued`, or not at all
   */
  write<T>(doing: string, work: () => T, again: 'journal' | 'queued' | 'never' = 'never'): T {
    this.requireOpen();
    if (this.#writing) return this.#writePart(doing, work, again);
    let failure: unknown;
    this.#writing = true;
    try {
      return this.#writePart(doing, work, again);
    } catch (error) {
      failure = error;
    } finally {
      this.#writing = false;
    }
    if (again !== 'journal' && this.state !== 'open') this.#restore(failure);
    throw failure;
  }

  #writePart<T>(doing: string, work: () => T, again: 'journal' | 'queued' | 'never'): T {
    try {
      const done = work();
      if (again === 'never') this.#onlyChanges = false;
      return done;
    } catch (error) {
      if (!(error instanceof CairnError && isRefusal(error))) {
        this.#failed = true;
        this.#forget();
      }
      throw fromSqliteError(error, doing);
    }
  }

  /** @throws {CairnError} `io` unless the state is `open` */
  requireOpen(): void {
    const { state } = this;
    if (state === 'open') return;
    const what = {
      none: 'none was begun',
      failed: 'a change failed half-way: roll it back',
      lost: 'SQLite rolled it back: rebuild it from the journal',
    }[state];
    throw new CairnError('io', `The catalog has no transaction to write in: ${what}`);
  }

  #run(statement: { run(): unknown }, doing: string): void {
    try {
      statement.run();
    } catch (error) {
      throw fromSqliteError(error, doing);
    }
  }
}

/** What a table that writes outside of changes needs of the transaction. */
export type WriteFrame = Pick<Transactions, 'write' | 'rollbacks'>;
