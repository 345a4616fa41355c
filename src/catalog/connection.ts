import Database from 'better-sqlite3';
import { CairnError, type ErrorKind } from '../core/errors.js';

/** A row as its columns' values, in the order they were asked for. */
export type Row = readonly (number | string | Buffer | null)[];

/** A prepared statement that reads. Its errors are CairnErrors. */
export interface ReadStatement<R> {
  get(...parameters: unknown[]): R | undefined;
  all(...parameters: unknown[]): R[];
  iterate(...parameters: unknown[]): IterableIterator<R>;
}

/** A prepared statement whose rows come as arrays: the fastest form, decoded by the table that asked. */
export type RowStatement = ReadStatement<Row>;

/** What stands between a connection and who reads from it. */
export interface ReadGuard {
  /** @throws {CairnError} where rows would not be what they have to be */
  requireSound(): void;
  /** After a read that failed. @returns whether it may be tried once more */
  mayReadAgain(error: unknown): boolean;
}

const PLAIN_READS: ReadGuard = { requireSound: () => undefined, mayReadAgain: isUnreadPage };

/** How a statement may be used: on the way of a kernel request it must find its rows by an index. */
export type StatementUse = 'request' | 'background';

/**
 * One connection to the catalog and the statements prepared on it. Everything is synchronous; one thread uses it.
 * A statement is prepared once, when its table is made. A limit that is bound is written `LIMIT ? + 0`: SQLite looks at
 * a bare `?` there when it plans, and so plans anew whenever another value is bound (12 µs, several times the query).
 */
export class Connection {
  readonly database: Database.Database;
  /** What was prepared, for the test that looks at every query plan. */
  readonly prepared: { readonly sql: string; readonly use: StatementUse }[] = [];
  /** Asked at every read; the writer puts its own here. */
  guard: ReadGuard = PLAIN_READS;

  constructor(database: Database.Database) {
    this.database = database;
  }

  /** A statement that reads rows, each as an array. */
  rows(sql: string, use: StatementUse = 'request'): RowStatement {
    this.prepared.push({ sql, use });
    return new GuardedStatement(this, this.database.prepare<unknown[], Row>(sql).raw(true));
  }

  /** A statement that reads one number. */
  number(sql: string, use: StatementUse = 'request'): ReadStatement<number> {
    this.prepared.push({ sql, use });
    return new GuardedStatement(this, this.database.prepare<unknown[], number>(sql).pluck(true));
  }

  /** A statement that writes. */
  write(sql: string, use: StatementUse = 'request'): Database.Statement<unknown[]> {
    this.prepared.push({ sql, use });
    return this.database.prepare(sql);
  }
}

class GuardedStatement<R> implements ReadStatement<R> {
  readonly #connection: Connection;
  readonly #statement: Database.Statement<unknown[], R>;

  constructor(connection: Connection, statement: Database.Statement<unknown[], R>) {
    this.#connection = connection;
    this.#statement = statement;
  }

  get(...parameters: unknown[]): R | undefined {
    this.#connection.guard.requireSound();
    try {
      return this.#statement.get(...parameters);
    } catch (error) {
      return this.#again(error, () => this.#statement.get(...parameters));
    }
  }

  all(...parameters: unknown[]): R[] {
    this.#connection.guard.requireSound();
    try {
      return this.#statement.all(...parameters);
    } catch (error) {
      return this.#again(error, () => this.#statement.all(...parameters));
    }
  }

  *iterate(...parameters: unknown[]): IterableIterator<R> {
    try {
      yield* this.#statement.iterate(...parameters);
    } catch (error) {
      throw fromSqliteError(error, 'read the catalog');
    }
  }

  #again<T>(first: unknown, read: () => T): T {
    if (!this.#connection.guard.mayReadAgain(first)) throw fromSqliteError(first, 'read the catalog');
    try {
      return read();
    } catch (error) {
      throw fromSqliteError(error, 'read the catalog');
    }
  }
}

/** What helps where the database is lost or damaged. */
export const REBUILD_ADVICE = 'unmount, then "cairn repair --rebuild-catalog" makes it anew';
/** SQLite calls a page damaged that the disk did not give, too. */
const UNREAD_ADVICE = `where "dmesg" tells of read errors the disk is to be mended; where it tells of none, ${REBUILD_ADVICE}`;

/** Opens a database file. @throws {CairnError} what SQLite says */
export function openDatabase(path: string, options: Database.Options): Database.Database {
  try {
    return new Database(path, options);
  } catch (error) {
    throw fromSqliteError(error, `open the catalog ${path}`);
  }
}

const KIND_OF_SQLITE_CODE: Readonly<Record<string, ErrorKind>> = {
  SQLITE_FULL: 'no-space',
  SQLITE_BUSY: 'busy',
  SQLITE_LOCKED: 'busy',
  SQLITE_READONLY: 'read-only',
  SQLITE_CORRUPT: 'corrupt',
  SQLITE_NOTADB: 'corrupt',
  SQLITE_CONSTRAINT: 'corrupt',
};

/**
 * Wraps what SQLite throws into a CairnError; codes without a kind of their own become `io`.
 * @param doing what was being done, e.g. `commit the catalog`
 */
export function fromSqliteError(error: unknown, doing: string): CairnError {
  if (error instanceof CairnError) return error;
  const code = error instanceof Database.SqliteError ? error.code : '';
  // The index of the write-ahead log cannot be made: its 32 KiB do not fit.
  const isFull = code === 'SQLITE_IOERR_SHMSIZE';
  const primary = /^SQLITE_[A-Z]+/.exec(code)?.[0] ?? '';
  const reason = error instanceof Error ? error.message : String(error);
  const advice = { SQLITE_CORRUPT: `: ${UNREAD_ADVICE}`, SQLITE_NOTADB: `: ${REBUILD_ADVICE}` }[primary] ?? '';
  const shown = `${reason}${code === '' ? '' : ` (${code})`}${advice}`;
  return new CairnError(isFull ? 'no-space' : (KIND_OF_SQLITE_CODE[primary] ?? 'io'), `Cannot ${doing}: ${shown}`, {
    cause: error,
  });
}

/** Whether SQLite found a page damaged; it says so as well where the disk gave an I/O error, which may have passed. */
export function isUnreadPage(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith('SQLITE_CORRUPT');
}

/** Whether the disk did not take what SQLite wrote, which does not tell a quota, or no room for its index, from a fault. */
export function isFailedWrite(error: unknown): boolean {
  const cause = error instanceof CairnError ? error.cause : error;
  return cause instanceof Database.SqliteError && /^SQLITE_IOERR_(WRITE|SHMSIZE)$/.test(cause.code);
}

/** Whether a sync failed: what it was to bring to the disk may be lost, and a later one proves nothing. */
export function isFailedSync(error: unknown): boolean {
  const cause = error instanceof CairnError ? error.cause : error;
  return cause instanceof Database.SqliteError && cause.code === 'SQLITE_IOERR_FSYNC';
}

/** Whether what was asked of SQLite is at fault, and not the database or the disk it is on. */
export function isRefusal(error: unknown): boolean {
  const cause = error instanceof CairnError && error.cause !== undefined ? error.cause : error;
  return !(cause instanceof Database.SqliteError) || /^SQLITE_(CONSTRAINT|MISMATCH|TOOBIG|RANGE)/.test(cause.code);
}

/** The integer itself. @throws {CairnError} `out-of-range` for anything but a whole number from 0 to 2^53 - 1 */
export function checkedCount(value: number, what: string): number {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new CairnError('out-of-range', `Not a whole number from 0 to 2^53 - 1: ${what} ${value}`);
  }
  return value;
}
