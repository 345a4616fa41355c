import type { Connection } from './connection.js';
import type { Counters } from './counters.js';
import { type ExtentList, LIST_END, MAX_LIST_ROWS } from './extent-list.js';
import { IN_JOURNAL } from './extents.js';
import type { InodeSource } from './inodes.js';
import type { WriteFrame } from './transactions.js';

/** The copy of a list's extents that begin below `below`, as far as `next`. */
interface Copy {
  readonly source: number;
  readonly below: number;
  /** The new list: among the freed ones until it is used, so that it goes if it never is. */
  readonly list: number;
  /** Rollbacks before it was begun: one more, and its rows are gone. */
  readonly rollbacks: number;
  next: number;
  bytes: number;
  journalBytes: number;
}

/** Copies that are kept though nobody has used them yet; the oldest goes first. */
const MOST_COPIES = 100;

/**
 * Copies of long extent lists, made in steps ahead of a change that would have to make them at once: the first one of a
 * file whose list is shared, and a truncation that leaves much and cuts off much. The change takes the copy if it is
 * there and the list is as it was, else it copies by itself; what it does is the same, so that no journal tells of it.
 */
export class ListCopies {
  readonly #inodes: InodeSource;
  readonly #counters: Counters;
  readonly #frame: WriteFrame;
  /** By the inode they are for. */
  readonly #copies = new Map<number, Copy>();
  readonly #statements;

  constructor(connection: Connection, counters: Counters, inodes: InodeSource, frame: WriteFrame) {
    this.#inodes = inodes;
    this.#counters = counters;
    this.#frame = frame;
    this.#statements = copyStatements(connection);
  }

  /**
   * Makes one step of at most about 1,000 rows towards the next change of a file's content, inside the open transaction.
   * @param size what the change sets the file's size to, where it does
   * @returns whether nothing is left to do: the change will touch few rows
   */
  prepare(ino: number, size = LIST_END): boolean {
    const entry = this.#inodes.entry(ino);
    if (entry === undefined || entry.list === 0) return true;
    const below = size < entry.inode.size ? size : LIST_END;
    const ready = this.#valid(ino);
    if (ready?.source === entry.list && ready.below === below) return ready.next === below || this.#step(ready);
    if (!this.#needsCopy(entry.list, below)) return true;
    return this.#step(this.#begin(ino, entry.list, below));
  }

  /** The finished copy for a change of the inode, and what it holds; the caller owns it from now on. */
  take(ino: number, source: number, below: number): ExtentList | undefined {
    const copy = this.#valid(ino);
    if (copy?.source !== source || copy.below !== below || copy.next !== below) return undefined;
    this.#copies.delete(ino);
    this.#statements.unqueue.run(copy.list);
    const { list, bytes, journalBytes } = copy;
    return { list, bytes, journalBytes };
  }

  /** Nobody will take what was copied for the inode. */
  discard(ino: number): void {
    this.#copies.delete(ino);
  }

  /** The rows of a list are changed in place: what was copied of it is worth nothing. */
  edited(list: number): void {
    if (this.#copies.size === 0) return;
    for (const [ino, { source }] of this.#copies) if (source === list) this.#copies.delete(ino);
  }

  /** Whether a list among the freed ones is a copy that is still wanted. */
  has(list: number): boolean {
    for (const copy of this.#copies.values()) {
      if (copy.list === list && copy.rollbacks === this.#frame.rollbacks) return true;
    }
    return false;
  }

  #valid(ino: number): Copy | undefined {
    const copy = this.#copies.get(ino);
    return copy?.rollbacks === this.#frame.rollbacks ? copy : undefined;
  }

  /** As `ExtentEdits.own` and `cutOff` would have to. */
  #needsCopy(list: number, below: number): boolean {
    const { refs, hasMore } = this.#statements;
    const isShared = refs.get(list) !== undefined;
    if (!isShared && below === LIST_END) return false;
    if (hasMore.get(list, 0, below, MAX_LIST_ROWS) === undefined) return false;
    return isShared || hasMore.get(list, below, LIST_END, MAX_LIST_ROWS) !== undefined;
  }

  #begin(ino: number, source: number, below: number): Copy {
    const { meta } = this.#counters;
    const list = meta.nextList;
    meta.nextList += 1;
    const copy = { source, below, list, rollbacks: this.#frame.rollbacks, next: 0, bytes: 0, journalBytes: 0 };
    this.#frame.write('begin a copy of extents', () => this.#statements.queue.run(list), 'queued');
    this.#copies.delete(ino);
    this.#copies.set(ino, copy);
    const [oldest] = this.#copies.keys();
    if (this.#copies.size > MOST_COPIES && oldest !== undefined) this.#copies.delete(oldest);
    return copy;
  }

  /** @returns whether that was the last one */
  #step(copy: Copy): boolean {
    const { border, copySome, sums } = this.#statements;
    const { source, below, list, next } = copy;
    const upTo = border.get(source, next, below, MAX_LIST_ROWS) ?? below;
    const [bytes, journalBytes] = sums.get(source, next, upTo) as readonly number[];
    this.#frame.write('copy extents', () => copySome.run(list, source, next, upTo), 'queued');
    copy.bytes += bytes!;
    copy.journalBytes += journalBytes!;
    copy.next = upTo;
    return upTo === below;
  }
}

function copyStatements(connection: Connection) {
  const inRange = 'WHERE list = ? AND offset >= ? AND offset < ?';
  return {
    refs: connection.number('SELECT refs FROM shared_lists WHERE list = ?'),
    hasMore: connection.number(`SELECT 1 FROM extents ${inRange} ORDER BY offset LIMIT 1 OFFSET ?`),
    border: connection.number(`SELECT offset FROM extents ${inRange} ORDER BY offset LIMIT 1 OFFSET ?`),
    sums: connection.rows(
      `SELECT coalesce(sum(length), 0), coalesce(sum(length) FILTER (WHERE kind = ${IN_JOURNAL}), 0)
       FROM extents ${inRange}`,
    ),
    copySome: connection.write(
      `INSERT INTO extents (list, offset, length, kind, ref, at)
       SELECT ?, offset, length, kind, ref, at FROM extents ${inRange}`,
    ),
    queue: connection.write('INSERT INTO freed_lists (list) VALUES (?)'),
    unqueue: connection.write('DELETE FROM freed_lists WHERE list = ?'),
  };
}
