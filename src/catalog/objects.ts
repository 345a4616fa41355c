import type { StoredObject } from '../core/stored-object.js';
import type { Connection, Row } from './connection.js';
import type { WriteFrame } from './transactions.js';

/** Objects of the library (src/library). Their records on disk are the truth: all of it can be made again from them. */
export const OBJECT_TABLES = `
-- Objects: streams under a name, each an index file below objects/ with a record beside it.
CREATE TABLE objects (
  id          BLOB PRIMARY KEY,       -- UTF-8, as its owner named it
  index_path  TEXT NOT NULL,          -- relative to the datastore; empty: the object is
  bytes       INTEGER NOT NULL,       -- of its content
  chunks      INTEGER NOT NULL,       -- entries of its index file
  etag        BLOB NOT NULL CHECK (length(etag) = 16),            -- MD5 of the content
  sha256      BLOB NOT NULL CHECK (length(sha256) = 32),          -- of the content
  compression TEXT NOT NULL,          -- how its new chunks were stored: none, zstd:3
  created     INTEGER NOT NULL,       -- milliseconds since 1970
  deleted     INTEGER NOT NULL,       -- the same; 0: it is there
  metadata    TEXT NOT NULL           -- JSON object of strings
) WITHOUT ROWID, STRICT;
CREATE INDEX objects_deleted ON objects (deleted) WHERE deleted > 0;

-- Exactly one row: how many objects are there, and the sum of their bytes.
CREATE TABLE object_totals (
  one     INTEGER PRIMARY KEY CHECK (one = 1),
  objects INTEGER NOT NULL,
  bytes   INTEGER NOT NULL
) STRICT;
INSERT INTO object_totals VALUES (1, 0, 0);
`;

/** How many objects are there, and the sum of their bytes. */
export interface ObjectTotals {
  readonly objects: number;
  readonly bytes: number;
}

const COLUMNS = 'id, index_path, bytes, chunks, etag, sha256, compression, created, deleted, metadata';

function decodeObject(row: Row): StoredObject {
  return {
    id: (row[0] as Buffer).toString(),
    indexPath: row[1] === '' ? undefined : (row[1] as string),
    bytes: row[2] as number,
    chunks: row[3] as number,
    etag: row[4] as Buffer,
    sha256: row[5] as Buffer,
    compression: row[6] as string,
    created: row[7] as number,
    deleted: row[8] === 0 ? undefined : (row[8] as number),
    metadata: JSON.parse(row[9] as string) as Record<string, string>,
  };
}

/** Reads objects. */
export class ObjectRows {
  readonly #find;
  readonly #list;
  readonly #deleted;
  readonly #totals;

  constructor(connection: Connection) {
    this.#find = connection.rows(`SELECT ${COLUMNS} FROM objects WHERE id = ?`);
    this.#list = connection.rows(
      `SELECT ${COLUMNS} FROM objects WHERE id >= ? AND deleted = 0 ORDER BY id LIMIT ? + 0`,
      'background',
    );
    this.#deleted = connection.rows(
      `SELECT ${COLUMNS} FROM objects INDEXED BY objects_deleted
       WHERE deleted > 0 AND deleted < ? ORDER BY deleted LIMIT ? + 0`,
      'background',
    );
    this.#totals = connection.rows('SELECT objects, bytes FROM object_totals WHERE one = 1');
  }

  /** The object, deleted or not; undefined where there was never one, or it is forgotten. */
  find(id: string): StoredObject | undefined {
    const row = this.#find.get(Buffer.from(id));
    return row && decodeObject(row);
  }

  /** Objects that are there, their ids from these bytes on, in the order of bytes, at most `limit`. */
  list(from: Uint8Array, limit: number): StoredObject[] {
    return this.#list.all(from, limit).map(decodeObject);
  }

  /** Objects deleted before a time (milliseconds), the oldest first, at most `limit`. */
  listDeleted(before: number, limit: number): StoredObject[] {
    return this.#deleted.all(before, limit).map(decodeObject);
  }

  /** At hand: nothing is counted. */
  totals(): ObjectTotals {
    const [objects, bytes] = this.#totals.get() as readonly number[];
    return { objects: objects as number, bytes: bytes as number };
  }
}

/** The writer's objects. */
export class ObjectTable extends ObjectRows {
  readonly #frame: WriteFrame;
  readonly #put;
  readonly #remove;
  readonly #count;

  constructor(connection: Connection, frame: WriteFrame) {
    super(connection);
    this.#frame = frame;
    this.#put = connection.write(
      `INSERT INTO objects (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET index_path = excluded.index_path, bytes = excluded.bytes, chunks = excluded.chunks,
         etag = excluded.etag, sha256 = excluded.sha256, compression = excluded.compression, created = excluded.created,
         deleted = excluded.deleted, metadata = excluded.metadata`,
    );
    this.#remove = connection.write('DELETE FROM objects WHERE id = ?');
    this.#count = connection.write('UPDATE object_totals SET objects = objects + ?, bytes = bytes + ? WHERE one = 1');
  }

  /** Records an object in place of what was recorded under its id, also that it is deleted. */
  put(object: StoredObject): void {
    this.#frame.write('record an object', () => {
      this.#uncount(object.id);
      const { id, indexPath, bytes, chunks, etag, sha256, compression, created, deleted, metadata } = object;
      this.#put.run(
        ...[Buffer.from(id), indexPath ?? '', bytes, chunks, etag, sha256, compression],
        ...[created, deleted ?? 0, JSON.stringify(metadata)],
      );
      if (deleted === undefined) this.#count.run(1, bytes);
    });
  }

  /** Forgets an object; does nothing where none is recorded. */
  remove(id: string): void {
    this.#frame.write('forget an object', () => {
      this.#uncount(id);
      this.#remove.run(Buffer.from(id));
    });
  }

  #uncount(id: string): void {
    const before = this.find(id);
    if (before !== undefined && before.deleted === undefined) this.#count.run(-1, -before.bytes);
  }
}
