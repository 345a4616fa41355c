/** What `PRAGMA user_version` of a record of pieces says. One of another version is made anew: it is a picture. */
export const SHARD_SCHEMA_VERSION = 1;

/** What `PRAGMA application_id` of it says: `Cshd`. */
export const SHARD_APPLICATION_ID = 0x43736864;

/**
 * Where the pieces of objects were put and last seen. It can be lost at any time, and may be behind or wrong: the pieces
 * themselves say what they are.
 */
export const SHARD_SCHEMA = `
-- One row: when all objects were last compared with what backends have, seconds since 1970; 0: never.
CREATE TABLE shard_meta (
  one         INTEGER PRIMARY KEY CHECK (one = 1),
  compared_at INTEGER NOT NULL
) STRICT;
INSERT INTO shard_meta VALUES (1, 0);

-- Every backend that was ever named, and how much it has, so that nothing needs to be counted.
CREATE TABLE backends (
  number INTEGER PRIMARY KEY CHECK (number > 0),
  id     TEXT NOT NULL UNIQUE,        -- as the config names it
  shards INTEGER NOT NULL,            -- how often its number is in shard_groups.places
  bytes  INTEGER NOT NULL             -- sum of shard_groups.shard_bytes of those
) STRICT;

-- The pieces of one object: all that is tracked of it.
CREATE TABLE shard_groups (
  name         TEXT PRIMARY KEY,      -- of the object: .chunks/a9/a948904f…
  data         INTEGER NOT NULL,      -- so many pieces give the object back
  parity       INTEGER NOT NULL,      -- so many more there should be
  generation   INTEGER NOT NULL,      -- as in the headers of the pieces
  object_bytes INTEGER NOT NULL,
  shard_bytes  INTEGER NOT NULL,      -- of each piece as stored, with its header
  places       TEXT NOT NULL,         -- of each piece, by its index, the number of its backend, 0: nowhere: '3 1 0 6 2 5'
  heard_at     INTEGER NOT NULL       -- milliseconds since 1970; what was heard before and comes later does not count
) WITHOUT ROWID, STRICT;

-- Objects that were heard to be gone in the last minute: what others heard of them before does not count.
CREATE TABLE gone (
  name     TEXT PRIMARY KEY,
  heard_at INTEGER NOT NULL           -- as in shard_groups
) WITHOUT ROWID, STRICT;
CREATE INDEX gone_by_time ON gone (heard_at);

-- How many objects lie on the same backends: as many rows as there are such combinations. It tells at once what depends
-- on a backend.
CREATE TABLE layouts (
  data    INTEGER NOT NULL,           -- as in shard_groups
  places  TEXT NOT NULL,              -- numbers of the backends with a piece, ascending: '1 2 3 5 6'
  objects INTEGER NOT NULL,           -- above 0
  PRIMARY KEY (data, places)
) WITHOUT ROWID, STRICT;
`;
