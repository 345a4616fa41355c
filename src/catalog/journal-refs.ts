import type { Connection } from './connection.js';

/** A file with bytes that are in the journal only. */
export interface JournalFileRef {
  readonly ino: number;
  readonly bytes: number;
}

/** Which files and segments of the journal belong together. Freed lists still to be deleted count as use. */
export class JournalRefs {
  readonly #files;
  readonly #oldest;
  readonly #uses;
  readonly #all;

  constructor(connection: Connection) {
    this.#files = connection.rows(
      `SELECT ino, journal_bytes FROM inodes INDEXED BY inodes_in_journal
       WHERE journal_bytes > 0 AND ino > ? ORDER BY ino LIMIT ? + 0`,
    );
    this.#oldest = connection.number('SELECT min(ref) FROM extents INDEXED BY extents_in_journal WHERE kind = 1');
    this.#uses = connection.number(
      'SELECT 1 FROM extents INDEXED BY extents_in_journal WHERE kind = 1 AND ref = ? LIMIT 1',
    );
    this.#all = connection.rows(
      'SELECT DISTINCT ref FROM extents INDEXED BY extents_in_journal WHERE kind = 1 ORDER BY ref',
      'background',
    );
  }

  /** Files with bytes in the journal, above `afterIno`, ascending, at most `limit`: the packer's work list. */
  files(afterIno: number, limit: number): JournalFileRef[] {
    return this.#files.all(afterIno, limit).map((row) => ({ ino: row[0] as number, bytes: row[1] as number }));
  }

  /** The oldest segment an extent points into, or undefined where none does. */
  oldestSegment(): number | undefined {
    return this.#oldest.get() ?? undefined;
  }

  /** All segments extents point into, ascending. */
  segments(): number[] {
    return this.#all.all().map(([segment]) => segment as number);
  }

  usesSegment(segment: number): boolean {
    return this.#uses.get(segment) !== undefined;
  }
}
