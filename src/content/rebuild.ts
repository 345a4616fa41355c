import type { Change } from '../catalog/change.js';
import { isFailedWrite, isRefusal } from '../catalog/connection.js';
import type { Transactions } from '../catalog/transactions.js';
import { CairnError, isOutOfRoom } from '../core/errors.js';
import type { Journal } from './journal/journal.js';
import { claimedSequence, findRecord, placed, RECORD_FIXED_BYTES } from './journal/record.js';
import type { Room } from './room.js';

/** What a transaction is rebuilt with. */
export interface RebuildParts {
  readonly journal: Pick<Journal, 'segments' | 'readNow' | 'lastSequence'>;
  readonly transactions: Pick<
    Transactions,
    'state' | 'isSound' | 'losesOnlyChanges' | 'appliedSequence' | 'restart' | 'begin' | 'commit'
  >;
  /** @returns as `Catalog.apply` */
  apply(change: Change): boolean;
  readonly room: Pick<Room, 'giveUp' | 'isUsedUp'>;
}

/**
 * After SQLite's transaction failed: where SQLite has rolled back by itself, or takes no more writes into it, makes it anew
 * from the journal (design §3); for want of room gives the reserve up before. One step, in which nobody else can make a
 * change: it blocks for the records since the last commit.
 */
export class TransactionRebuild {
  readonly #parts: RebuildParts;

  constructor(parts: RebuildParts) {
    this.#parts = parts;
  }

  /** Commits, and tries once more where that fails. @throws {CairnError} as `afterLoss` */
  commit(appliedSequence: number): void {
    const { transactions, room } = this.#parts;
    try {
      transactions.commit(appliedSequence);
    } catch (error) {
      if (transactions.state !== 'open') this.afterLoss(error);
      else if (!this.#isRoom(error) || !room.giveUp('a commit')) throw error;
      transactions.commit(appliedSequence);
    }
  }

  /** Opens the next transaction, and tries once more where that fails. @throws {CairnError} what the second try gives */
  begin(): void {
    const { transactions } = this.#parts;
    try {
      transactions.begin();
    } catch {
      transactions.begin();
    }
  }

  /**
   * After the transaction was lost, or a write into it failed half-way; a change that is in the journal is made again with
   * all others.
   * @param error what it failed with
   * @returns what the `apply` of the last change said
   * @throws {CairnError} `error` itself where there is no more room to be had, the transaction held more than changes, or
   *   what was asked of SQLite is at fault; what making it anew fails with
   */
  afterLoss(error: unknown): boolean {
    const { transactions, room } = this.#parts;
    // Open: the change contradicts the catalog, and would do so again.
    if (transactions.state === 'open' || !transactions.losesOnlyChanges) throw error;
    if (transactions.state === 'failed' && isRefusal(error)) throw error;
    if (this.#isRoom(error) && !room.giveUp('the catalog')) throw error;
    let applied = true;
    transactions.restart(() => {
      for (const change of this.#changesSince(transactions.appliedSequence())) applied = this.#parts.apply(change);
    });
    return applied;
  }

  /**
   * In a store that takes no more changes: what was acknowledged can be read, from a transaction in memory that is never
   * committed, or reads fail. To be called again now and then; it does nothing where all is well.
   */
  keepReadable(): void {
    const { transactions } = this.#parts;
    if (transactions.isSound) return;
    try {
      transactions.restart(() => this.#redoAsMountDoes(), 'in-memory');
    } catch {
      // Reads say why.
    }
  }

  /** Up to the first change the catalog refuses: there the next mount ends, too. */
  #redoAsMountDoes(): void {
    const { transactions } = this.#parts;
    try {
      for (const change of this.#changesSince(transactions.appliedSequence())) this.#parts.apply(change);
    } catch (error) {
      if (transactions.state !== 'open' || !isRefusal(error)) throw error;
    }
  }

  #isRoom(error: unknown): boolean {
    return isFailedWrite(error) ? this.#parts.room.isUsedUp() : isOutOfRoom(error);
  }

  *#changesSince(sequence: number): Generator<Change> {
    const { journal } = this.#parts;
    let last = sequence;
    for (const segment of this.#segmentsSince(sequence)) {
      const bytes = journal.readNow(segment);
      for (let found = findRecord(bytes, 0); found !== undefined; found = findRecord(bytes, found.end)) {
        if (found.sequence <= last) continue;
        if (found.sequence !== last + 1) throw missing(last + 1);
        last = found.sequence;
        if (found.content.type === 'unreadable') throw missing(found.sequence);
        if (found.content.type === 'change') yield placed(found.content.change, segment, found.bodiesAt);
      }
    }
    if (last !== journal.lastSequence) throw missing(last + 1);
  }

  /** The segments from the last one on that starts at or below the next record. */
  #segmentsSince(sequence: number): number[] {
    const { journal } = this.#parts;
    const all = journal.segments();
    let first = 0;
    all.forEach((segment, index) => {
      const claimed = claimedSequence(journal.readNow(segment, RECORD_FIXED_BYTES));
      if (claimed !== undefined && claimed <= sequence + 1) first = index;
    });
    return all.slice(first);
  }
}

function missing(sequence: number): CairnError {
  return new CairnError('corrupt', `The journal has lost record ${sequence}`);
}
