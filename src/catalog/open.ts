import type Database from 'better-sqlite3';
import { CairnError } from '../core/errors.js';
import { systemClock, type Timestamp } from '../core/time.js';
import { applyChange } from './apply.js';
import type { Change } from './change.js';
import { ChunkSets } from './chunk-sets.js';
import type { Chunks } from './chunks.js';
import { Connection, fromSqliteError, openDatabase } from './connection.js';
import { Counters } from './counters.js';
import { FreedLists } from './extent-edits.js';
import { Extents } from './extents.js';
import { type CatalogFigures, figuresOf, Space } from './figures.js';
import { frameInode, makeFrameFolder } from './group-changes.js';
import type { Groups } from './groups.js';
import { IndexFileTable } from './index-files.js';
import { ROLE_NAMESPACES, ROLE_ROOT, ROLE_TYPE, ROOT_INO } from './inode.js';
import type { Inodes } from './inodes.js';
import { JournalRefs } from './journal-refs.js';
import type { ListCopies } from './list-copies.js';
import type { Names } from './names.js';
import { ObjectTable } from './objects.js';
import { Orphans } from './orphans.js';
import { Pieces } from './pieces.js';
import { APPLICATION_ID, migrate, SCHEMA, SCHEMA_VERSION } from './schema.js';
import type { SnapshotTable } from './snapshots.js';
import { makeTables, type Tables } from './tables.js';
import { Transactions } from './transactions.js';
import { UploadQueue } from './uploads.js';
import { Xattrs } from './xattrs.js';

/**
 * The catalog as its one writer sees it (the mount worker): everything synchronous, reads see what was written in
 * the open transaction, or fail (`transactions`).
 */
export interface Catalog {
  readonly transactions: Transactions;
  /**
   * Applies one change of a live tree inside the open transaction, the same at run time and at replay.
   * @returns false only for a content change whose `ifVersion` does not fit
   * @throws {CairnError} where the change contradicts the catalog (nothing was changed), or where the database
   *   fails (`transactions.state` is then `failed` or `lost`)
   */
  apply(change: Change): boolean;
  readonly inodes: Inodes;
  readonly names: Names;
  readonly extents: Extents;
  readonly xattrs: Xattrs;
  readonly orphans: Orphans;
  readonly groups: Groups;
  readonly chunks: Chunks;
  readonly pieces: Pieces;
  readonly journalRefs: JournalRefs;
  /** What makes changes of long extent lists few steps. */
  readonly listCopies: Pick<ListCopies, 'prepare' | 'discard'>;
  readonly freedLists: FreedLists;
  readonly indexFiles: IndexFileTable;
  readonly sets: ChunkSets;
  readonly snapshots: SnapshotTable;
  readonly objects: ObjectTable;
  readonly space: Space;
  /** What is to go to the object store behind the datastore; empty where there is none. */
  readonly uploads: UploadQueue;
  /** Totals that are at hand: nothing is counted. */
  figures(): CatalogFigures;
  /** What was prepared on this connection, for whoever looks at query plans. */
  readonly statements: Connection['prepared'];
  /** Rolls an open transaction back, copies the write-ahead log into the database and closes. */
  close(): void;
}

/**
 * Makes a catalog with the mount's fixed folders, which belong to the user of this process, who can so make groups in
 * them. An empty database, left by an interrupted attempt, is taken over.
 * @param path the database file; its folder exists
 * @throws {CairnError} `exists` where there is a database with tables
 */
export function createCatalog(path: string, now: Timestamp = systemClock.now()): void {
  const database = openDatabase(path, { timeout: 0 });
  try {
    const tables = database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get();
    if (tables !== 0) throw new CairnError('exists', `There is a database already: ${path}`);
    database.pragma('auto_vacuum = INCREMENTAL');
    configure(database);
    database.exec('BEGIN EXCLUSIVE');
    database.exec(SCHEMA);
    database.exec('INSERT INTO meta VALUES (1, 0, 1, 1, 1, 1, 1, 0, 0, 0)');
    database.exec('INSERT INTO chunk_totals VALUES (0, 0, 0, 0), (1, 0, 0, 0), (2, 0, 0, 0), (3, 0, 0, 0)');
    database.pragma(`application_id = ${APPLICATION_ID}`);
    database.pragma(`user_version = ${SCHEMA_VERSION}`);
    makeFrame(new Connection(database), now);
    database.exec('COMMIT');
  } catch (error) {
    throw fromSqliteError(error, `make the catalog ${path}`);
  } finally {
    database.close();
  }
}

/** Numbers below are kept for the mount's own folders. */
const FIRST_FREE_INO = 16;

/** The root, the type folders and the namespaces' folder. */
function makeFrame(connection: Connection, now: Timestamp): void {
  const counters = new Counters(connection);
  const frame = { write: <T>(_doing: string, work: () => T) => work(), rollbacks: 0 };
  const tables = makeTables(connection, counters, frame);
  const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  const owned = { group: 0, ...owner, timeSec: now.seconds, timeNsec: now.nanoseconds };
  tables.inodes.insert(frameInode({ ino: ROOT_INO, role: ROLE_ROOT, ...owned }));
  ['host', 'vm', 'ct'].forEach((type, index) => {
    makeFrameFolder(tables, ROOT_INO, type, { ino: ROOT_INO + 1 + index, role: ROLE_TYPE, ...owned });
  });
  makeFrameFolder(tables, ROOT_INO, 'ns', { ino: ROOT_INO + 4, role: ROLE_NAMESPACES, ...owned });
  counters.meta.nextIno = FIRST_FREE_INO;
  counters.store();
}

/**
 * Opens the catalog for writing, lifting it to the newest schema. Only one writer may be open, in all processes;
 * the datastore's lock sees to that.
 * @param hasRemote whether chunks that become present are queued to be uploaded (`uploads`)
 * @throws {CairnError} `unsupported` for a newer schema, `corrupt` for what is no catalog
 */
export function openCatalog(path: string, hasRemote = false): Catalog {
  const database = openDatabase(path, { fileMustExist: true, timeout: 0 });
  try {
    migrate(database);
    configure(database);
    const connection = new Connection(database);
    const counters = new Counters(connection);
    const transactions: Transactions = new Transactions(connection, counters, () => tables.inodes.forget());
    const uploads = new UploadQueue(connection, transactions);
    const tables = makeTables(connection, counters, transactions, hasRemote ? uploads : undefined);
    return assemble(connection, counters, transactions, tables, uploads);
  } catch (error) {
    database.close();
    throw fromSqliteError(error, `open the catalog ${path}`);
  }
}

function assemble(
  connection: Connection,
  counters: Counters,
  transactions: Transactions,
  tables: Tables,
  uploads: UploadQueue,
): Catalog {
  const { inodes, groups, chunks, snapshots } = tables;
  return {
    ...{ transactions, inodes, groups, chunks, snapshots, uploads },
    apply: (change) =>
      transactions.write(`apply a ${change.kind} change`, () => applyChange(tables, change), 'journal'),
    names: tables.listing,
    extents: new Extents(connection, inodes),
    xattrs: new Xattrs(connection),
    orphans: new Orphans(connection),
    pieces: new Pieces(connection, transactions, chunks),
    journalRefs: new JournalRefs(connection),
    listCopies: tables.listCopies,
    freedLists: new FreedLists(connection, transactions, tables.listCopies),
    indexFiles: new IndexFileTable(connection, chunks, transactions),
    sets: new ChunkSets(connection),
    objects: new ObjectTable(connection, transactions),
    space: new Space(connection),
    figures: () => figuresOf(counters.meta, counters.totals),
    statements: connection.prepared,
    close: () => {
      transactions.rollback();
      connection.database.close();
    },
  };
}

/**
 * How the writer's connection works. WAL, so that readers and writer never wait for each other; synchronous=NORMAL:
 * a commit does not wait for the disk (the journal is what makes changes durable), a checkpoint does; no automatic
 * checkpoints: they would stop the mount; foreign keys off (schema.ts says why); no busy timeout: it is the only
 * writer, and waiting would stop the mount.
 */
function configure(database: Database.Database): void {
  const mode = database.pragma('journal_mode = WAL', { simple: true });
  if (mode !== 'wal') throw new CairnError('unsupported', `${database.name}: the file system cannot hold a WAL`);
  database.pragma('synchronous = NORMAL');
  database.pragma('wal_autocheckpoint = 0');
  database.pragma('foreign_keys = OFF');
  database.pragma('cache_size = -32768');
  database.pragma('temp_store = MEMORY');
}
