import type { Connection, Row } from './connection.js';
import type { Counters } from './counters.js';
import type { Extent } from './extent.js';
import { type ExtentBytes, type ExtentList, LIST_END, MAX_LIST_ROWS } from './extent-list.js';
import { IN_CHUNK, IN_JOURNAL } from './extents.js';
import type { ListCopies } from './list-copies.js';
import type { WriteFrame } from './transactions.js';

const NOTHING: ExtentBytes = { bytes: 0, journalBytes: 0 };

/** Rows a list may have to be deleted within a request; a longer one is queued. */
const DELETED_AT_ONCE = 100;

/** A row of a list: `ref` is the chunk's id, or the segment. */
export interface Placed {
  readonly offset: number;
  readonly length: number;
  readonly kind: number;
  readonly ref: number;
  readonly at: number;
}

function placed(row: Row | undefined): Placed | undefined {
  if (row === undefined) return undefined;
  const [offset, length, kind, ref, at] = row as readonly number[];
  return { offset: offset!, length: length!, kind: kind!, ref: ref!, at: at! };
}

/** What an extent has from `from` on. */
function cutLeft({ offset, length, kind, ref, at }: Placed, from: number): Placed {
  const skipped = from - offset;
  return { offset: from, length: length - skipped, kind, ref, at: at + skipped };
}

/** The bytes of `length` of them, as they count for one kind. */
function bytesOf(kind: number, length: number): ExtentBytes {
  return { bytes: length, journalBytes: kind === IN_JOURNAL ? length : 0 };
}

function plus(a: ExtentBytes, b: ExtentBytes): ExtentBytes {
  return { bytes: a.bytes + b.bytes, journalBytes: a.journalBytes + b.journalBytes };
}

/** Writes extent lists; only changes use it. */
export class ExtentEdits {
  readonly #counters: Counters;
  readonly #copies: ListCopies;
  readonly #lists: ListStatements;
  readonly #insert;
  readonly #resize;
  readonly #delete;
  readonly #before;
  readonly #last;
  readonly #rows;
  readonly #sums;

  constructor(connection: Connection, counters: Counters, copies: ListCopies) {
    this.#counters = counters;
    this.#copies = copies;
    this.#lists = listStatements(connection);
    const inRange = 'WHERE list = ? AND offset >= ? AND offset < ?';
    const columns = 'offset, length, kind, ref, at';
    this.#insert = connection.write(`INSERT INTO extents (list, ${columns}) VALUES (?, ?, ?, ?, ?, ?)`);
    this.#resize = connection.write('UPDATE extents SET length = ? WHERE list = ? AND offset = ?');
    this.#delete = connection.write(`DELETE FROM extents ${inRange}`);
    this.#before = connection.rows(
      `SELECT ${columns} FROM extents WHERE list = ? AND offset < ? ORDER BY offset DESC LIMIT 1`,
    );
    this.#last = connection.rows(`SELECT ${columns} FROM extents ${inRange} ORDER BY offset DESC LIMIT 1`);
    this.#rows = connection.rows(`SELECT ${columns} FROM extents ${inRange} ORDER BY offset`);
    this.#sums = connection.rows(
      `SELECT coalesce(sum(length), 0), coalesce(sum(length) FILTER (WHERE kind = ${IN_JOURNAL}), 0)
       FROM extents ${inRange}`,
    );
  }

  /** Adds an extent where there is a hole. @param ref the chunk's id, or the segment */
  insert(list: number, extent: Extent, ref: number): void {
    const kind = extent.kind === 'journal' ? IN_JOURNAL : IN_CHUNK;
    this.#copies.edited(list);
    this.#insert.run(list, extent.offset, extent.length, kind, ref, extent.at);
  }

  /** What lies in [start, end), by offset, cut off at its borders. */
  pieces(list: number, start: number, end: number): Placed[] {
    const left = placed(this.#before.get(list, start));
    const rows = this.#rows.all(list, start, end).map((row) => placed(row) as Placed);
    if (left !== undefined && left.offset + left.length > start) rows.unshift(cutLeft(left, start));
    const last = rows.at(-1);
    if (last !== undefined && last.offset + last.length > end) {
      rows[rows.length - 1] = { ...last, length: end - last.offset };
    }
    return rows;
  }

  /** Puts pieces, moved by so many bytes, where there is a hole; returns what they hold. */
  place(list: number, pieces: readonly Placed[], by: number): ExtentBytes {
    let held = NOTHING;
    this.#copies.edited(list);
    for (const { offset, length, kind, ref, at } of pieces) {
      this.#insert.run(list, offset + by, length, kind, ref, at);
      held = plus(held, bytesOf(kind, length));
    }
    const last = pieces.at(-1);
    if (last !== undefined) this.#join(list, last.offset + last.length + by);
    if (pieces[0] !== undefined) this.#join(list, pieces[0].offset + by);
    return held;
  }

  /** Makes one extent of two that meet at `border` and go on in the same chunk: a range copied in steps is not ragged. */
  #join(list: number, border: number): void {
    const left = placed(this.#before.get(list, border));
    const right = placed(this.#rows.get(list, border, border + 1));
    if (left === undefined || right === undefined || left.offset + left.length !== border) return;
    if (left.kind !== right.kind || left.ref !== right.ref || left.at + left.length !== right.at) return;
    this.#delete.run(list, border, border + 1);
    this.#resize.run(left.length + right.length, list, left.offset);
  }

  /** Makes [start, end) a hole, cutting extents at its borders; returns what was taken out. */
  clear(list: number, start: number, end: number): ExtentBytes {
    if (start >= end) return NOTHING;
    this.#copies.edited(list);
    return plus(this.#clearLeft(list, start, end), this.#clearInside(list, start, end));
  }

  /** How many bytes of [start, end) are no hole. */
  bytesWithin(list: number, start: number, end: number): number {
    const left = placed(this.#before.get(list, start));
    const reached = left === undefined ? start : Math.min(left.offset + left.length, end);
    const last = placed(this.#last.get(list, start, end));
    const over = last === undefined ? 0 : Math.max(0, last.offset + last.length - end);
    return Math.max(0, reached - start) + this.#held(list, start, end).bytes - over;
  }

  /**
   * Cuts off what lies at `size` and behind; `held` is what the list holds. Where that is many rows, the few in
   * front go on in a new list and the old one is queued; those of a shared list do so anyway. (Many behind and
   * many in front are deleted in place, about a microsecond each, where no copy was prepared.)
   */
  cutOff(held: ExtentList, size: number, ino: number): ExtentList {
    const { list } = held;
    if (list === 0) return held;
    const copy = this.#copies.take(ino, list, size);
    if (copy !== undefined) {
      this.release(list);
      return this.#without(copy, this.clear(copy.list, size, LIST_END));
    }
    const manyBehind = this.#lists.hasMore.get(list, size, LIST_END, MAX_LIST_ROWS) !== undefined;
    const manyInFront = manyBehind && this.#lists.hasMore.get(list, 0, size, MAX_LIST_ROWS) !== undefined;
    if ((manyBehind && !manyInFront) || this.#lists.refs.get(list) !== undefined) {
      const fresh = this.newList();
      this.#lists.copy.run(fresh, list, size);
      this.release(list);
      this.clear(fresh, size, LIST_END);
      return { list: fresh, ...this.#held(fresh, 0, LIST_END) };
    }
    return this.#without(held, this.clear(list, size, LIST_END));
  }

  #without({ list, bytes, journalBytes }: ExtentList, taken: ExtentBytes): ExtentList {
    return { list, bytes: bytes - taken.bytes, journalBytes: journalBytes - taken.journalBytes };
  }

  /** Empties a list (0: none yet); returns the one to go on with, which is new where the old one is long or shared. */
  emptied(list: number): number {
    if (list === 0) return this.newList();
    if (!this.#deleteShort(list)) {
      this.release(list);
      return this.newList();
    }
    return list;
  }

  /** One inode less uses the list (0: nothing to do); the last one leaves its rows to be deleted. */
  release(list: number): void {
    if (list === 0) return;
    const refs = this.#lists.refs.get(list);
    if (refs === undefined) {
      this.#copies.edited(list);
      if (!this.#deleteShort(list)) this.#lists.queue.run(list);
    } else if (refs === 2) {
      this.#lists.unshare.run(list);
    } else {
      this.#lists.setRefs.run(list, refs - 1);
    }
  }

  /** One inode more uses the list. */
  share(list: number): void {
    this.#lists.setRefs.run(list, (this.#lists.refs.get(list) ?? 1) + 1);
  }

  /** The list itself where one inode uses it, else a copy of it for this inode (about a microsecond per extent, if none is there). */
  own(list: number, ino: number): number {
    if (list === 0) return this.newList();
    if (this.#lists.refs.get(list) === undefined) return list;
    const own = this.#copies.take(ino, list, LIST_END)?.list ?? this.#copyOf(list);
    this.release(list);
    return own;
  }

  #copyOf(list: number): number {
    const fresh = this.newList();
    this.#lists.copy.run(fresh, list, LIST_END);
    return fresh;
  }

  newList(): number {
    const { meta } = this.#counters;
    meta.nextList += 1;
    return meta.nextList - 1;
  }

  #clearLeft(list: number, start: number, end: number): ExtentBytes {
    const left = placed(this.#before.get(list, start));
    if (left === undefined) return NOTHING;
    const leftEnd = left.offset + left.length;
    if (leftEnd <= start) return NOTHING;
    if (leftEnd > end) this.#insertRest(list, left, end);
    this.#resize.run(start - left.offset, list, left.offset);
    return bytesOf(left.kind, Math.min(leftEnd, end) - start);
  }

  #clearInside(list: number, start: number, end: number): ExtentBytes {
    const last = placed(this.#last.get(list, start, end));
    if (last === undefined) return NOTHING;
    const taken = this.#held(list, start, end);
    this.#delete.run(list, start, end);
    const over = last.offset + last.length - end;
    if (over <= 0) return taken;
    this.#insertRest(list, last, end);
    return plus(taken, bytesOf(last.kind, -over));
  }

  /** Puts what an extent has from `from` on into the list. */
  #insertRest(list: number, extent: Placed, from: number): void {
    const { offset, length, kind, ref, at } = cutLeft(extent, from);
    this.#insert.run(list, offset, length, kind, ref, at);
  }

  /** What extents that start in [start, end) hold. */
  #held(list: number, start: number, end: number): ExtentBytes {
    const [bytes, journalBytes] = this.#sums.get(list, start, end) as readonly number[];
    return { bytes: bytes!, journalBytes: journalBytes! };
  }

  /** Deletes the rows of a list that is short and not shared. */
  #deleteShort(list: number): boolean {
    if (this.#lists.refs.get(list) !== undefined) return false;
    if (this.#lists.hasMore.get(list, 0, LIST_END, DELETED_AT_ONCE) !== undefined) return false;
    this.#copies.edited(list);
    this.#delete.run(list, 0, LIST_END);
    return true;
  }
}

type ListStatements = ReturnType<typeof listStatements>;

function listStatements(connection: Connection) {
  return {
    hasMore: connection.number(
      'SELECT 1 FROM extents WHERE list = ? AND offset >= ? AND offset < ? ORDER BY offset LIMIT 1 OFFSET ?',
    ),
    copy: connection.write(
      `INSERT INTO extents (list, offset, length, kind, ref, at)
       SELECT ?, offset, length, kind, ref, at FROM extents WHERE list = ? AND offset < ?`,
    ),
    refs: connection.number('SELECT refs FROM shared_lists WHERE list = ?'),
    setRefs: connection.write(
      'INSERT INTO shared_lists (list, refs) VALUES (?, ?) ON CONFLICT DO UPDATE SET refs = excluded.refs',
    ),
    unshare: connection.write('DELETE FROM shared_lists WHERE list = ?'),
    queue: connection.write('INSERT INTO freed_lists (list) VALUES (?)'),
  };
}

/** Works off the lists no inode uses any more. */
export class FreedLists {
  readonly #frame: WriteFrame;
  readonly #copies: ListCopies;
  readonly #next;
  readonly #border;
  readonly #deleteTo;
  readonly #deleteAll;
  readonly #done;

  constructor(connection: Connection, frame: WriteFrame, copies: ListCopies) {
    this.#frame = frame;
    this.#copies = copies;
    this.#next = connection.number('SELECT list FROM freed_lists WHERE list > ? ORDER BY list LIMIT 1');
    this.#border = connection.number('SELECT offset FROM extents WHERE list = ? ORDER BY offset LIMIT 1 OFFSET ?');
    this.#deleteTo = connection.write('DELETE FROM extents WHERE list = ? AND offset < ?');
    this.#deleteAll = connection.write('DELETE FROM extents WHERE list = ?');
    this.#done = connection.write('DELETE FROM freed_lists WHERE list = ?');
  }

  hasAny(): boolean {
    return this.#first() !== undefined;
  }

  /**
   * Deletes at most `maxRows` extents (about a microsecond each) of freed lists, inside the open transaction.
   * @returns how many; fewer than `maxRows` only where nothing is left
   */
  empty(maxRows: number): number {
    return this.#frame.write('delete freed extents', () => this.#empty(maxRows), 'queued');
  }

  /** Copies that are wanted stand among the freed lists, too. */
  #first(): number | undefined {
    let list = this.#next.get(0);
    while (list !== undefined && this.#copies.has(list)) list = this.#next.get(list);
    return list;
  }

  #empty(maxRows: number): number {
    let deleted = 0;
    while (deleted < maxRows) {
      const list = this.#first();
      if (list === undefined) break;
      const border = this.#border.get(list, maxRows - deleted);
      if (border === undefined) {
        deleted += this.#deleteAll.run(list).changes;
        this.#done.run(list);
      } else {
        deleted += this.#deleteTo.run(list, border).changes;
      }
    }
    return deleted;
  }
}
