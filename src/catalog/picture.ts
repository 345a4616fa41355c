import { CairnError } from '../core/errors.js';
import { type Connection, fromSqliteError } from './connection.js';
import type { MetaRows } from './counters.js';
import type { Inode } from './inode.js';
import { decodeInode, INODE_COLUMNS } from './inodes.js';

/** A reader's picture: while it is open, the reader sees the catalog as the last commit before it left it. */
export class Picture {
  readonly #connection: Connection;
  readonly #meta: MetaRows;

  constructor(connection: Connection, meta: MetaRows) {
    this.#connection = connection;
    this.#meta = meta;
  }

  get isOpen(): boolean {
    return this.#connection.database.inTransaction;
  }

  /**
   * Opens it: when this returns it stands, whatever is committed from then on. The write-ahead log cannot be
   * re-used while it is open, so end it soon.
   * @returns sequence of the last journal record it contains
   * @throws {CairnError} `busy` where one is open already
   */
  begin(): number {
    if (this.isOpen) throw new CairnError('busy', 'This reader has a picture open already');
    try {
      this.#connection.database.exec('BEGIN');
      return this.#meta.meta().appliedSequence;
    } catch (error) {
      this.end();
      throw fromSqliteError(error, 'open a picture of the catalog');
    }
  }

  /** Ends it; does nothing where none is open. */
  end(): void {
    if (this.isOpen) this.#connection.database.exec('ROLLBACK');
  }
}

/** A name of a folder and what it names. */
export interface Child {
  readonly name: Uint8Array;
  readonly inode: Readonly<Inode>;
}

/** Walks folders in the order archives want: names in byte order. For jobs. */
export class Children {
  readonly #slice;

  constructor(connection: Connection) {
    this.#slice = connection.rows(
      `SELECT d.name, ${INODE_COLUMNS} FROM dentries d INDEXED BY dentries_by_name CROSS JOIN inodes i ON i.ino = d.ino
       WHERE d.parent = ? AND d.name > ? ORDER BY d.name LIMIT ? + 0`,
      'background',
    );
  }

  /** All children of a folder in byte order of names, read in slices: nothing stays open between two of them. */
  *byName(parent: number, sliceRows = 1000): Generator<Child> {
    let after: Buffer = Buffer.alloc(0);
    for (;;) {
      const rows = this.#slice.all(parent, after, sliceRows);
      for (const row of rows) yield { name: row[0] as Buffer, inode: decodeInode(row, 1).inode };
      if (rows.length < sliceRows) return;
      after = rows.at(-1)?.[0] as Buffer;
    }
  }
}
