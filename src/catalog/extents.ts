import type { Connection, Row } from './connection.js';
import type { Extent } from './extent.js';
import type { InodeSource } from './inodes.js';

/** `extents.kind` of a piece of a chunk, and of a piece of a journal segment. */
export const IN_CHUNK = 0;
export const IN_JOURNAL = 1;

const COLUMNS = 'e.offset, e.length, e.kind, e.ref, e.at, c.digest, c.length, c.stored';
const FROM = `FROM extents e LEFT JOIN chunks c ON e.kind = ${IN_CHUNK} AND c.id = e.ref`;

function decodeExtent(row: Row): Extent {
  const offset = row[0] as number;
  const length = row[1] as number;
  const at = row[4] as number;
  if (row[2] === IN_JOURNAL) return { kind: 'journal', offset, length, segment: row[3] as number, at };
  const digest = row[5] as Buffer;
  return { kind: 'chunk', offset, length, digest, at, chunkLength: row[6] as number, storedLength: row[7] as number };
}

/** How far a search for a hole came. */
export interface HoleSearch {
  readonly offset: number;
  /** Whether `offset` is a hole (or the end of the extents); else all up to it is data and the search may go on there. */
  readonly found: boolean;
}

/** Reads where the bytes of files are. Offsets and lengths in bytes; a file that does not exist has no extents. */
export class Extents {
  readonly #inodes: InodeSource;
  readonly #overlapping;
  readonly #slice;
  readonly #before;
  readonly #next;
  readonly #positions;
  readonly #beyond;

  constructor(connection: Connection, inodes: InodeSource) {
    this.#inodes = inodes;
    this.#overlapping = connection.rows(
      `SELECT ${COLUMNS} ${FROM} WHERE e.list = ? AND e.offset < ? AND e.offset >= coalesce(
         (SELECT max(b.offset) FROM extents b WHERE b.list = ? AND b.offset <= ?), 0) ORDER BY e.offset`,
    );
    this.#slice = connection.rows(
      `SELECT ${COLUMNS} ${FROM} WHERE e.list = ? AND e.offset > ? ORDER BY e.offset LIMIT ? + 0`,
      'background',
    );
    this.#before = connection.rows(
      'SELECT offset, length FROM extents WHERE list = ? AND offset <= ? ORDER BY offset DESC LIMIT 1',
    );
    this.#next = connection.number('SELECT min(offset) FROM extents WHERE list = ? AND offset > ?');
    this.#beyond = connection.number(
      'SELECT offset FROM extents WHERE list = ? AND offset > ? AND offset < ? ORDER BY offset LIMIT 1 OFFSET ?',
    );
    this.#positions = connection.rows(
      'SELECT offset, length FROM extents WHERE list = ? AND offset >= ? ORDER BY offset LIMIT ? + 0',
    );
  }

  /** The extents that have bytes in [start, end), whole (not cut off at its borders), ascending. */
  overlapping(ino: number, start: number, end: number): Extent[] {
    const list = this.#inodes.list(ino);
    if (list === 0 || start >= end) return [];
    const extents = this.#overlapping.all(list, end, list, start).map(decodeExtent);
    const first = extents[0];
    if (first !== undefined && first.offset + first.length <= start) extents.shift();
    return extents;
  }

  /** The end of the part of [start, end) in which at most `limit` extents begin; `end` where there are no more. */
  reach(ino: number, start: number, end: number, limit: number): number {
    const list = this.#inodes.list(ino);
    return list === 0 ? end : (this.#beyond.get(list, start, end, limit) ?? end);
  }

  /** All extents that begin at `from` or behind, ascending, read in slices: nothing stays open between two of them. */
  *all(ino: number, from = 0, sliceRows = 1000): Generator<Extent> {
    const list = this.#inodes.list(ino);
    if (list === 0) return;
    let after = from - 1;
    for (;;) {
      const rows = this.#slice.all(list, after, sliceRows);
      for (const row of rows) yield decodeExtent(row);
      if (rows.length < sliceRows) return;
      after = rows.at(-1)?.[0] as number;
    }
  }

  /** The first offset from `offset` on that is not in a hole; undefined where only holes follow (SEEK_DATA). */
  nextData(ino: number, offset: number): number | undefined {
    const list = this.#inodes.list(ino);
    if (list === 0) return undefined;
    if (this.#dataEnd(list, offset) > offset) return offset;
    return this.#next.get(list, offset) ?? undefined;
  }

  /** The first offset from `offset` on that is in a hole (SEEK_HOLE), looking at `limit` extents at most. */
  nextHole(ino: number, offset: number, limit = 1000): HoleSearch {
    const list = this.#inodes.list(ino);
    let end = list === 0 ? offset : this.#dataEnd(list, offset);
    if (end <= offset) return { offset, found: true };
    const rows = this.#positions.all(list, end, limit) as (readonly number[])[];
    for (const [next, length] of rows) {
      if (next! > end) return { offset: end, found: true };
      end = next! + length!;
    }
    return { offset: end, found: rows.length < limit };
  }

  /** The end of the last extent that starts at or before the offset; 0 where there is none. */
  #dataEnd(list: number, offset: number): number {
    const [start, length] = (this.#before.get(list, offset) ?? [0, 0]) as readonly number[];
    return start! + length!;
  }
}
