import type Database from 'better-sqlite3';
import { ChunkSets } from './chunk-sets.js';
import { ChunkUsers } from './chunk-users.js';
import { ChunkRows } from './chunks.js';
import { CollectionRows } from './collection.js';
import { Connection, fromSqliteError, openDatabase } from './connection.js';
import { Consistency } from './consistency.js';
import { MetaRows } from './counters.js';
import { Extents } from './extents.js';
import { type CatalogFigures, figuresOf } from './figures.js';
import { GroupRows } from './groups.js';
import { IndexFileRows } from './index-files.js';
import type { Inode } from './inode.js';
import { InodeRows } from './inodes.js';
import { JournalRefs } from './journal-refs.js';
import { Names } from './names.js';
import { ObjectRows } from './objects.js';
import { Orphans } from './orphans.js';
import { PackRows } from './pack-use.js';
import { Children, Picture } from './picture.js';
import { PieceRows } from './pieces.js';
import { checkedVersion } from './schema.js';
import { SnapshotRows } from './snapshots.js';
import { SpaceUse } from './space-use.js';
import { type CheckpointFigures, runCheckpoint } from './transactions.js';
import { UploadRows } from './uploads.js';
import { Xattrs } from './xattrs.js';

/**
 * The catalog as a job sees it: read-only, on a connection of its own, in any thread. It sees what was committed:
 * anew with each call, or as it was when a picture was begun.
 */
export interface CatalogReader {
  readonly picture: Picture;
  readonly inodes: { find(ino: number): Readonly<Inode> | undefined };
  readonly names: Names;
  readonly children: Children;
  readonly extents: Extents;
  readonly xattrs: Xattrs;
  readonly orphans: Orphans;
  readonly groups: GroupRows;
  readonly chunks: ChunkRows;
  readonly chunkUsers: ChunkUsers;
  readonly consistency: Consistency;
  readonly pieces: PieceRows;
  readonly journalRefs: JournalRefs;
  readonly indexFiles: IndexFileRows;
  readonly sets: ChunkSets;
  readonly space: SpaceUse;
  readonly collection: CollectionRows;
  readonly packs: PackRows;
  readonly snapshots: SnapshotRows;
  readonly objects: ObjectRows;
  readonly uploads: UploadRows;
  figures(): CatalogFigures;
  /**
   * What SQLite finds wrong with the database, as lines; empty where it is sound. Reads all of it.
   * @param how `quick` leaves out whether indexes agree with their tables
   */
  damage(how?: 'quick' | 'whole'): string[];
  readonly statements: Connection['prepared'];
  close(): void;
}

/** How long a reader waits for a lock; only opening and closing of the writer takes one. */
const READER_WAIT_MILLISECONDS = 10_000;

/**
 * Opens the catalog for reading; the writer lifts schemas, so it must be the newest.
 * @throws {CairnError} `unsupported` for another schema version, `corrupt` for what is no catalog
 */
export function openCatalogReader(path: string): CatalogReader {
  const database = openForJob(path, true);
  try {
    checkedVersion(database);
    database.pragma('cache_size = -16384');
    database.pragma('temp_store = MEMORY');
    return assembleReader(new Connection(database));
  } catch (error) {
    database.close();
    throw fromSqliteError(error, `open the catalog ${path}`);
  }
}

function assembleReader(connection: Connection): CatalogReader {
  const rows = new InodeRows(connection);
  const meta = new MetaRows(connection);
  const sets = new ChunkSets(connection);
  return {
    picture: new Picture(connection, meta),
    inodes: { find: (ino) => rows.entry(ino)?.inode },
    names: new Names(connection),
    children: new Children(connection),
    extents: new Extents(connection, rows),
    xattrs: new Xattrs(connection),
    orphans: new Orphans(connection),
    groups: new GroupRows(connection),
    chunks: new ChunkRows(connection),
    chunkUsers: new ChunkUsers(connection),
    consistency: new Consistency(connection),
    pieces: new PieceRows(connection),
    journalRefs: new JournalRefs(connection),
    indexFiles: new IndexFileRows(connection),
    sets,
    space: new SpaceUse(connection, sets, meta),
    collection: new CollectionRows(connection),
    packs: new PackRows(connection),
    snapshots: new SnapshotRows(connection),
    objects: new ObjectRows(connection),
    uploads: new UploadRows(connection),
    figures: () => figuresOf(meta.meta(), meta.totals()),
    damage: (how = 'whole') => {
      const check = how === 'quick' ? 'quick_check' : 'integrity_check';
      const rows = connection.database.pragma(`${check}(100)`) as Record<string, string>[];
      return rows.map((row) => row[check] as string).filter((line) => line !== 'ok');
    },
    statements: connection.prepared,
    close: () => connection.database.close(),
  };
}

/** Copies the write-ahead log into the database from a thread of its own, so that the writer need not. */
export interface Checkpointer {
  /**
   * Copies what no reader still needs, without making anybody wait. What was committed before it began is durable
   * when it returns with all pages copied.
   */
  checkpoint(): CheckpointFigures;
  close(): void;
}

/** Opens the connection a checkpoint worker uses beside the writer. */
export function openCheckpointer(path: string): Checkpointer {
  const connection = new Connection(openForJob(path, false));
  connection.database.pragma('synchronous = NORMAL');
  connection.database.pragma('wal_autocheckpoint = 0');
  return {
    checkpoint: () => runCheckpoint(connection, 'passive'),
    close: () => connection.database.close(),
  };
}

function openForJob(path: string, readonly: boolean): Database.Database {
  return openDatabase(path, { readonly, fileMustExist: true, timeout: READER_WAIT_MILLISECONDS });
}
