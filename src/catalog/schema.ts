import type Database from 'better-sqlite3';
import { CairnError } from '../core/errors.js';
import { REBUILD_ADVICE } from './connection.js';
import { OBJECT_TABLES } from './objects.js';

/** What `PRAGMA user_version` of a catalog says: the version of `SCHEMA`. */
export const SCHEMA_VERSION = 4;

/** What `PRAGMA application_id` of a catalog says, so that file(1) and we can tell it from any other database: `Carn`. */
export const APPLICATION_ID = 0x4361726e;

/** What is still to go to the object store behind a datastore, and what is there. Both are empty where there is none. */
const UPLOAD_TABLES = `
-- Present chunks that are not known to be in the object store behind this datastore with the bytes they have here.
CREATE TABLE uploads (
  chunk  INTEGER PRIMARY KEY,         -- chunks.id
  ticket INTEGER NOT NULL,            -- rises with each entry, so that an upload that ends late does not end a newer entry
  bytes  INTEGER NOT NULL             -- of its encoded file, as far as known
) STRICT;

-- Files of groups and snapshots as they are in the object store.
CREATE TABLE remote_files (
  path     TEXT PRIMARY KEY,          -- relative to the datastore: host/web1/2026-11-20T10:00:00Z/index.json.blob
  identity TEXT NOT NULL              -- of the local file when it was uploaded (uploads.ts)
) WITHOUT ROWID, STRICT;
`;

/**
 * The whole database, and the canonical description of it: whoever changes a table changes its words here, raises
 * `SCHEMA_VERSION` and adds the step to `MIGRATIONS`.
 *
 * What holds everywhere:
 * - Numbers given out (inodes, entries, lists, groups, archives, chunk ids) are never given out again, not even
 *   after their row has gone: the kernel, a listing under way or a bitmap may still hold one.
 * - Lengths and offsets are bytes below 2^53. Times are whole seconds since 1970 (may be negative) and nanoseconds.
 * - No foreign keys are declared: they would be checked row by row while a change is half made. The model test
 *   checks the same relations on whole catalogs.
 */
export const SCHEMA = `
-- Exactly one row: how far the catalog has come, the next numbers to give out, and totals.
-- Written with every commit, held in memory in between (counters.ts).
CREATE TABLE meta (
  one              INTEGER PRIMARY KEY CHECK (one = 1),
  applied_sequence INTEGER NOT NULL,  -- sequence of the last journal record that is contained; replay starts behind it
  next_ino         INTEGER NOT NULL,  -- above every inode number ever given out
  next_entry       INTEGER NOT NULL,  -- above every dentries.id
  next_list        INTEGER NOT NULL,  -- above every inodes.extent_list
  next_group       INTEGER NOT NULL,  -- above every groups.id
  next_archive     INTEGER NOT NULL,  -- above every snapshots.archive
  inodes           INTEGER NOT NULL,  -- rows of inodes
  allocated_bytes  INTEGER NOT NULL,  -- sum of inodes.allocated
  journal_bytes    INTEGER NOT NULL   -- sum of inodes.journal_bytes
) STRICT;

-- Backup groups that have a live tree; one row each.
CREATE TABLE groups (
  id          INTEGER PRIMARY KEY,    -- never re-used
  path        TEXT NOT NULL UNIQUE,   -- relative to the datastore: ns/a/host/web1
  group_ino   INTEGER NOT NULL,       -- inode of the group's folder
  current_ino INTEGER NOT NULL        -- inode of current/ in it
) STRICT;

-- Every inode of the live side, folders above the live trees included.
CREATE TABLE inodes (
  ino           INTEGER PRIMARY KEY,  -- 1 is the mount's root; below 2^40 (40 bits of the kernel's node id)
  mode          INTEGER NOT NULL,     -- st_mode: type and permission bits
  nlink         INTEGER NOT NULL,     -- names; folders: 2 + subfolders; 0: an orphan (see orphans)
  uid           INTEGER NOT NULL,
  gid           INTEGER NOT NULL,
  rdev          INTEGER NOT NULL,     -- device number, 0 unless a device node
  size          INTEGER NOT NULL CHECK (size BETWEEN 0 AND 9007199254740991),
  allocated     INTEGER NOT NULL CHECK (allocated >= 0),      -- sum of its extents' lengths
  atime_sec     INTEGER NOT NULL,
  atime_nsec    INTEGER NOT NULL,
  mtime_sec     INTEGER NOT NULL,
  mtime_nsec    INTEGER NOT NULL,
  ctime_sec     INTEGER NOT NULL,
  ctime_nsec    INTEGER NOT NULL,
  btime_sec     INTEGER NOT NULL,     -- birth
  btime_nsec    INTEGER NOT NULL,
  storage       INTEGER NOT NULL,     -- 0 none, 1 packed, 2 large (inode.ts)
  chunker       INTEGER NOT NULL,     -- 0 dynamic, 1 fixed
  version       INTEGER NOT NULL,     -- rises with each content change
  role          INTEGER NOT NULL,     -- 0 ordinary, else a folder of the mount's frame (inode.ts)
  group_id      INTEGER NOT NULL,     -- groups.id; 0 outside any
  extent_list   INTEGER NOT NULL,     -- extents.list that holds its content; 0: never had any
  journal_bytes INTEGER NOT NULL CHECK (journal_bytes >= 0),  -- sum of lengths of its extents of kind 1
  target        BLOB                  -- a symbolic link's target, else NULL
) STRICT;
-- The packer's work list: which files have bytes in the journal only.
CREATE INDEX inodes_in_journal ON inodes (ino) WHERE journal_bytes > 0;

-- Names. A folder's names lie together, in the order they were made.
CREATE TABLE dentries (
  parent INTEGER NOT NULL,            -- inode of the folder
  id     INTEGER NOT NULL,            -- never re-used: the cookie a listing resumes behind
  name   BLOB NOT NULL,               -- bytes as given, no NUL, no '/'
  ino    INTEGER NOT NULL,
  PRIMARY KEY (parent, id)
) WITHOUT ROWID, STRICT;
CREATE UNIQUE INDEX dentries_by_name ON dentries (parent, name);  -- lookup; listing in byte order of names
CREATE INDEX dentries_by_ino ON dentries (ino);                   -- inode to parent, name and path

-- Extended attributes, ACLs among them, as the kernel names them.
CREATE TABLE xattrs (
  ino   INTEGER NOT NULL,
  name  BLOB NOT NULL,                -- e.g. user.comment
  value BLOB NOT NULL,                -- may be empty
  PRIMARY KEY (ino, name)
) WITHOUT ROWID, STRICT;

-- Where the bytes of files are. Extents of one list never overlap and lie inside the file; what none covers is a hole.
CREATE TABLE extents (
  list   INTEGER NOT NULL,            -- inodes.extent_list of the file, or of several (see shared_lists)
  offset INTEGER NOT NULL,            -- in the file
  length INTEGER NOT NULL CHECK (length > 0),
  kind   INTEGER NOT NULL,            -- 0: in a chunk, 1: in a journal segment
  ref    INTEGER NOT NULL,            -- chunks.id, or number of the journal segment
  at     INTEGER NOT NULL,            -- offset in the chunk's plain bytes, or in the segment file
  PRIMARY KEY (list, offset)
) WITHOUT ROWID, STRICT;
CREATE INDEX extents_in_journal ON extents (ref) WHERE kind = 1;  -- which segments are still needed

-- Lists that more than one inode uses (whole-file clones). A list without a row here has one user at most; a
-- write gives its inode a list of its own first.
CREATE TABLE shared_lists (
  list INTEGER PRIMARY KEY,
  refs INTEGER NOT NULL CHECK (refs >= 2)                         -- inodes with this extent_list
) STRICT;

-- Lists no inode uses any more, whose rows are still to be deleted, in steps. Until then their rows count as
-- references, which errs on the safe side.
CREATE TABLE freed_lists (
  list INTEGER PRIMARY KEY
) STRICT;

-- Inodes without a name: open but unlinked, or O_TMPFILE. A mount finds none open and drops them.
CREATE TABLE orphans (
  ino INTEGER PRIMARY KEY
) STRICT;

-- Every chunk that was ever heard of. Rows are never deleted: an id belongs to its digest for ever, which
-- is what makes the bitmaps in index_files lasting.
CREATE TABLE chunks (
  id          INTEGER PRIMARY KEY CHECK (id <= 4294967295),       -- below 2^32: bitmaps hold 32 bits
  digest      BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),   -- SHA-256 of the plain bytes
  length      INTEGER NOT NULL CHECK (length >= 0),               -- plain bytes
  stored      INTEGER NOT NULL CHECK (stored >= 0),               -- bytes of its encoded file; 0: not known yet
  state       INTEGER NOT NULL,                                   -- 0 present, 1 absent, 2 bad, 3 quarantined
  verified_at INTEGER NOT NULL                                    -- when its digest was last checked, seconds; 0: never
) STRICT;
CREATE INDEX chunks_not_present ON chunks (state, digest) WHERE state > 0;
CREATE INDEX chunks_by_verification ON chunks (verified_at, id) WHERE state = 0;  -- which to verify next: oldest first

-- Totals of chunks, one row per state. Written with every commit, held in memory in between.
CREATE TABLE chunk_totals (
  state  INTEGER PRIMARY KEY,         -- as chunks.state
  chunks INTEGER NOT NULL,            -- rows
  plain  INTEGER NOT NULL,            -- sum of chunks.length
  stored INTEGER NOT NULL             -- sum of chunks.stored
) STRICT;

-- Where content of packed files lies, so that content seen before is found again. True for ever, since a chunk's
-- bytes are what its digest says; usable while the chunk is present.
CREATE TABLE pieces (
  content BLOB PRIMARY KEY CHECK (length(content) = 32),          -- SHA-256 of the file's content
  chunk   INTEGER NOT NULL,           -- chunks.id
  at      INTEGER NOT NULL,           -- offset of the content in the chunk's plain bytes
  length  INTEGER NOT NULL            -- of the content
) WITHOUT ROWID, STRICT;

-- Tracked index files and the set of chunks each one names. A row counts only while the file's first bytes and
-- size are those recorded. All of it can be made again from the index files.
CREATE TABLE index_files (
  id            INTEGER PRIMARY KEY,
  path          TEXT NOT NULL UNIQUE, -- relative to the datastore: host/web1/2026-11-20T10:00:00Z/root.ppxar.didx
  kind          INTEGER NOT NULL,     -- 0 dynamic (.didx), 1 fixed (.fidx)
  checksum      BLOB NOT NULL,        -- the index checksum in its header: SHA-256 over its digests
  header        BLOB NOT NULL,        -- the file's first 96 bytes: its identity
  file_bytes    INTEGER NOT NULL,     -- size of the index file
  chunk_count   INTEGER NOT NULL,     -- entries it lists, repetitions included
  content_bytes INTEGER NOT NULL,     -- length of the stream it describes
  set_checksum  BLOB NOT NULL,        -- SHA-256 over header and chunk_set: a set that does not fit is made again, never taken as empty
  chunk_set     BLOB NOT NULL         -- roaring bitmap of chunks.id, portable format
) STRICT;

-- Snapshots of all groups, ours and those PBS made. Index files and manifests are the truth about them.
CREATE TABLE snapshots (
  archive       INTEGER PRIMARY KEY CHECK (archive BETWEEN 1 AND 16777215),  -- 24 bits of the kernel's node id; never re-used
  group_id      INTEGER NOT NULL,     -- groups.id
  time          INTEGER NOT NULL,     -- its name: seconds since 1970
  state         INTEGER NOT NULL,     -- 0 publishing, 1 finished, 2 unfinished (found without a manifest), 3 forgetting
  files         TEXT NOT NULL,        -- JSON array of {"name", "bytes"}: the files of its folder
  content_bytes INTEGER NOT NULL,     -- sum of the streams and blobs it holds
  entries       INTEGER NOT NULL,     -- inodes in its tree; 0: not known
  protected     INTEGER NOT NULL,     -- 1: may not be forgotten
  notes         TEXT NOT NULL,
  verify_state  INTEGER NOT NULL,     -- 0 never verified, 1 ok, 2 failed
  verified_at   INTEGER NOT NULL,     -- seconds; 0: never
  UNIQUE (group_id, time)
) STRICT;
${UPLOAD_TABLES}${OBJECT_TABLES}`;

/** Lifts a catalog by one version; runs inside the transaction that also raises `user_version`. */
export type Migration = (database: Database.Database) => void;

/** Step n (from 0) lifts version n + 1 to n + 2. */
export const MIGRATIONS: readonly Migration[] = [
  (database) => database.exec('CREATE INDEX chunks_by_verification ON chunks (verified_at, id) WHERE state = 0'),
  (database) => database.exec(UPLOAD_TABLES),
  (database) => database.exec(OBJECT_TABLES),
];

/**
 * Lifts a catalog to the newest version, all steps in one transaction; does nothing where it is there already.
 * @param migrations step n lifts version n + 1 to n + 2
 * @throws {CairnError} `unsupported` for a catalog newer than the steps reach, `corrupt` for what is no catalog
 */
export function migrate(database: Database.Database, migrations: readonly Migration[] = MIGRATIONS): void {
  const version = checkedVersion(database, migrations.length + 1);
  if (version === migrations.length + 1) return;
  database.exec('BEGIN EXCLUSIVE');
  try {
    for (const step of migrations.slice(version - 1)) step(database);
    database.pragma(`user_version = ${migrations.length + 1}`);
    database.exec('COMMIT');
  } catch (error) {
    if (database.inTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/**
 * The schema version of an open database, at most `newest`.
 * @throws {CairnError} `unsupported` where it is newer, `corrupt` for what is no catalog
 */
export function checkedVersion(database: Database.Database, newest: number = SCHEMA_VERSION): number {
  const id = database.pragma('application_id', { simple: true });
  const version = database.pragma('user_version', { simple: true }) as number;
  if (id !== APPLICATION_ID || version < 1) {
    throw new CairnError('corrupt', `${database.name} is not a catalog: ${REBUILD_ADVICE}`);
  }
  if (version > newest) {
    const reason = `has schema version ${version}, this Cairn knows versions up to ${newest}`;
    throw new CairnError('unsupported', `The catalog ${database.name} ${reason}: use the newer Cairn that wrote it`);
  }
  return version;
}
