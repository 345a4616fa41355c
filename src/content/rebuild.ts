import type { Change } from '../catalog/change.js';
import type { Transactions } from '../catalog/transactions.js';
import { CairnError, isOutOfRoom, kindOf } from '../core/errors.js';
import type { Journal } from './journal/journal.js';
import { claimedSequence, findRecord, placed, RECORD_FIXED_BYTES } from './journal/record.js';
import type { Room } from './room.js';

/** What a transaction is rebuilt with. */
export interface RebuildParts {
  readonly journal: Pick<Journal, 'segments' | 'readNow' | 'lastSequence'>;
  readonly transactions: Pick<Transactions, 'state' | 'losesOnlyChanges' | 'appliedSequence' | 'restart'>;
  /** @returns as `Catalog.apply` */
  apply(change: Change): boolean;
  readonly room: Pick<Room, 'giveUp'>;
}

/**
 * After SQLite's transaction failed for want of room: gives the reserve up, and where SQLite has rolled back by itself,
 * makes the transaction anew from the journal (design §3). One step, in which nobody else can make a change: it blocks
 * for the records since the last commit, once on a full disk.
 */
export class TransactionRebuild {
  readonly #parts: RebuildParts;

  constructor(parts: RebuildParts) {
    this.#parts = parts;
  }

  /**
   * After a commit that failed: when it returns, the commit may be tried again.
   * @param error what it failed with
   * @throws {CairnError} `error` itself where there is no more room to be had, or the transaction held more than changes
   */
  afterCommit(error: unknown): void {
    const { transactions, room } = this.#parts;
    if (transactions.state !== 'open') this.afterChange(error);
    else if (!mayBeRoom(error) || !room.giveUp('a commit')) throw error;
  }

  /**
   * After a change that is in the journal and could not be applied, which is made again with all others.
   * @param error what it failed with
   * @returns what its `apply` said
   * @throws {CairnError} as `afterCommit`
   */
  afterChange(error: unknown): boolean {
    const { transactions, room } = this.#parts;
    // Open: the change contradicts the catalog, and would do so again.
    if (transactions.state === 'open' || !transactions.losesOnlyChanges || !mayBeRoom(error)) throw error;
    if (!room.giveUp('the catalog')) throw error;
    let applied = true;
    transactions.restart(() => {
      for (const change of this.#changesSince(transactions.appliedSequence())) applied = this.#parts.apply(change);
    });
    return applied;
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

/** SQLite calls a quota an I/O error. */
function mayBeRoom(error: unknown): boolean {
  return isOutOfRoom(error) || kindOf(error) === 'io';
}

function missing(sequence: number): CairnError {
  return new CairnError('corrupt', `The journal has lost record ${sequence}`);
}
