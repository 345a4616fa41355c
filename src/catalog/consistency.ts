import type { Connection } from './connection.js';

/** Something two tables do not agree on. */
export interface Disagreement {
  /** What it is, e.g. `a name of no inode`. */
  readonly what: string;
  /** Which rows, in words. */
  readonly where: string;
}

/** Rows shown of each kind. */
const MAX_SHOWN = 50;

/** What must never be found, and how it is looked for; each looks at whole tables. */
const RULES: readonly { readonly what: string; readonly sql: string }[] = [
  {
    what: 'extent in a chunk the catalog does not know',
    sql: `SELECT 'list ' || e.list || ', offset ' || e.offset FROM extents e
          WHERE e.kind = 0 AND NOT EXISTS (SELECT 1 FROM chunks c WHERE c.id = e.ref)`,
  },
  {
    what: 'extents that overlap',
    sql: `SELECT 'list ' || list || ', offset ' || offset FROM (
            SELECT list, offset, length, lead(offset) OVER (PARTITION BY list ORDER BY offset) AS next FROM extents)
          WHERE next < offset + length`,
  },
  {
    what: 'extent behind the end of its chunk',
    sql: `SELECT 'list ' || e.list || ', offset ' || e.offset FROM extents e CROSS JOIN chunks c ON c.id = e.ref
          WHERE e.kind = 0 AND e.at + e.length > c.length`,
  },
  {
    what: 'list of extents that no file uses',
    sql: `SELECT 'list ' || list FROM (SELECT DISTINCT list FROM extents
          EXCEPT SELECT extent_list FROM inodes EXCEPT SELECT list FROM freed_lists)`,
  },
  {
    what: 'name of no inode',
    sql: `SELECT 'inode ' || d.ino || ' in folder ' || d.parent FROM dentries d
          WHERE NOT EXISTS (SELECT 1 FROM inodes i WHERE i.ino = d.ino)`,
  },
  {
    what: 'inode without a name that is no orphan',
    sql: `SELECT 'inode ' || i.ino FROM inodes i WHERE i.ino <> 1
          AND NOT EXISTS (SELECT 1 FROM dentries d INDEXED BY dentries_by_ino WHERE d.ino = i.ino)
          AND NOT EXISTS (SELECT 1 FROM orphans o WHERE o.ino = i.ino)`,
  },
  {
    what: 'piece in a chunk the catalog does not know',
    sql: `SELECT 'content ' || hex(p.content) FROM pieces p
          WHERE NOT EXISTS (SELECT 1 FROM chunks c WHERE c.id = p.chunk)`,
  },
  {
    what: 'snapshot of a group that does not exist',
    sql: `SELECT 'archive ' || s.archive FROM snapshots s
          WHERE NOT EXISTS (SELECT 1 FROM groups g WHERE g.id = s.group_id)`,
  },
  {
    what: 'total of chunks that is not their sum',
    sql: `SELECT 'state ' || t.state FROM chunk_totals t
          LEFT JOIN (SELECT state, count(*) AS n, sum(length) AS plain, sum(stored) AS stored FROM chunks GROUP BY state) c
          ON c.state = t.state
          WHERE t.chunks <> coalesce(c.n, 0) OR t.plain <> coalesce(c.plain, 0) OR t.stored <> coalesce(c.stored, 0)`,
  },
];

/** Compares tables with each other. For jobs; together about 5 µs per row, to be run while a picture is open. */
export class Consistency {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The rules one by one, so that others have their turn in between. */
  *disagreements(): Generator<Disagreement[]> {
    for (const { what, sql } of RULES) {
      const rows = this.#connection.rows(`${sql} LIMIT ${MAX_SHOWN}`, 'background').all();
      yield rows.map(([where]) => ({ what, where: String(where) }));
    }
  }
}
