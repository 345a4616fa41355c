import { fileSize } from '../native/files.js';
import { fromSqliteError, openDatabase } from './connection.js';
import { checkedVersion } from './schema.js';

/** Pages copied in one step; a page is 4 KiB. */
const PAGES_PER_STEP = 1024;
/** How long a reader waits for a lock; only opening and closing of the writer takes one. */
const READER_WAIT_MILLISECONDS = 10_000;

/**
 * Copies the catalog, as of its last commit, into a new database file, whatever its writer does meanwhile. As long as it
 * runs the write-ahead log is not re-used. For a thread of its own: each step blocks.
 * @param to nothing is there; what is left of it after a failure is the caller's to remove. Not durable when it resolves
 * @param rest called between two steps of 4 MiB; may block, or throw to give up
 * @returns sequence of the last journal record the copy contains
 * @throws {CairnError} `no-space`, `corrupt`, `unsupported` for another schema version, and what `rest` throws
 */
export async function copyCatalog(from: string, to: string, rest: () => void): Promise<number> {
  const database = openDatabase(from, { readonly: true, fileMustExist: true, timeout: READER_WAIT_MILLISECONDS });
  try {
    checkedVersion(database);
    // The picture: SQLite takes it with the first read, and the copy is made from it.
    database.exec('BEGIN');
    const appliedSequence = database.prepare('SELECT applied_sequence FROM meta').pluck().get() as number;
    const progress = (): number => {
      rest();
      return PAGES_PER_STEP;
    };
    await database.backup(to, { progress });
    return appliedSequence;
  } catch (error) {
    throw fromSqliteError(error, `copy the catalog ${from}`);
  } finally {
    database.close();
  }
}

/** How a catalog's file stands. */
export type CatalogCondition =
  | { readonly kind: 'whole' }
  | { readonly kind: 'missing' }
  | { readonly kind: 'damaged'; readonly reasons: readonly string[] };

/** Findings of SQLite that are told. */
const MAX_REASONS = 20;

/**
 * Looks at all of a catalog that nobody has open for writing; of any schema version up to ours.
 * @throws {CairnError} `unsupported` for a newer one, `io` … where it cannot be looked at
 */
export async function catalogCondition(path: string): Promise<CatalogCondition> {
  try {
    await fileSize(path);
    const database = openDatabase(path, { readonly: true, fileMustExist: true, timeout: 0 });
    try {
      checkedVersion(database);
      const rows = database.pragma(`integrity_check(${MAX_REASONS})`) as { integrity_check: string }[];
      const reasons = rows.map(({ integrity_check: line }) => line).filter((line) => line !== 'ok');
      return reasons.length === 0 ? { kind: 'whole' } : { kind: 'damaged', reasons };
    } finally {
      database.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'missing' };
    const failure = fromSqliteError(error, `check the catalog ${path}`);
    if (failure.kind === 'corrupt') return { kind: 'damaged', reasons: [failure.message] };
    throw failure;
  }
}
