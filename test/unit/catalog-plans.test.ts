import assert from 'node:assert/strict';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { openCatalogReader } from '../../src/catalog/open-reader.js';
import { makeCatalog } from '../support/catalog.js';

/**
 * Statements that look at all rows of a table, or sort, and why that is well. Nothing of this may be on the way of a
 * kernel's request; what is read there has to be found by an index.
 */
const SCANS: readonly [sql: RegExp, why: string][] = [
  [
    /^INSERT INTO uploads .* SELECT id, \?, stored FROM chunks/s,
    'all chunks are queued once, when a bucket is connected',
  ],
  [/^SELECT count\(\*\), coalesce\(sum\(bytes\), 0\) FROM uploads$/, 'once when a store with a bucket is opened'],
  [/^SELECT id, path, group_ino, current_ino FROM groups ORDER BY path$/, 'groups are few, and all are wanted'],
  [/^SELECT DISTINCT ref FROM extents INDEXED BY extents_in_journal/, 'only what lies in the journal, and all of it'],
  [
    /^SELECT archive, .* FROM snapshots WHERE state = 1 AND verify_state = 2/,
    'thousands at most, for status and repair',
  ],
  [/^SELECT path FROM index_files$/, 'all index files are compared with the disk'],
  [/^SELECT group_id, count\(\*\), .* FROM inodes\s+WHERE ino > \? AND ino <= \?/s, 'sorts a slice of a few groups'],
];

test('every statement finds its rows by an index, but for those that want all rows and say why', (t) => {
  const prepare = t.mock.method(Database.prototype, 'prepare');
  const { catalog, path } = makeCatalog(t);
  catalog.transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  const statements = [...catalog.statements, ...reader.statements];
  const known = new Set(statements.map(({ sql }) => sql));
  const unknown = prepare.mock.calls.map(({ arguments: [sql] }) => sql as string).filter((sql) => !known.has(sql));
  assert.deepEqual([...new Set(unknown)], ['SELECT count(*) FROM sqlite_schema'], 'prepared past Connection');
  const database = new Database(path, { readonly: true });
  t.after(() => database.close());
  assert.ok(statements.length > 120, 'the statements of all tables are looked at');
  const used = new Set<RegExp>();
  for (const { sql, use } of statements) {
    const costly = planOf(database, sql).filter((step) => /^SCAN (?!CONSTANT ROW)|TEMP B-TREE/.test(step));
    if (costly.length === 0) continue;
    const exception = SCANS.find(([wanted]) => wanted.test(sql));
    assert.ok(exception !== undefined && use === 'background', `${use}: ${sql}\n${costly.join('\n')}`);
    used.add(exception[0]);
  }
  assert.deepEqual(
    SCANS.filter(([sql]) => !used.has(sql)),
    [],
    'an exception for nothing',
  );
  const planned = statements.filter(({ sql }) => /LIMIT \?(?! \+ 0)/.test(sql));
  assert.deepEqual(planned, [], 'SQLite would plan it anew for each value: write LIMIT ? + 0');
});

function planOf(database: Database.Database, sql: string): string[] {
  const blanks = Array.from(sql.matchAll(/\?/g), () => null);
  const explain = database.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`);
  return explain.all(blanks).map(({ detail }) => detail);
}

/** The statements a request may run many times, and the index that must find their rows by all it is given. */
const HOT: readonly [sql: RegExp, plan: RegExp][] = [
  [/^SELECT ino FROM dentries WHERE parent = \? AND name/, /USING INDEX dentries_by_name \(parent=\? AND name=\?\)/],
  [/FROM dentries d CROSS JOIN .* d\.id > \?/s, /SEARCH d USING PRIMARY KEY \(parent=\? AND id>\?\)/],
  [/^SELECT .* FROM inodes i WHERE i\.ino = \?/, /SEARCH i USING INTEGER PRIMARY KEY \(rowid=\?\)/],
  [
    /LEFT JOIN chunks c .* e\.offset < \? AND e\.offset >= coalesce/s,
    /SEARCH e USING PRIMARY KEY \(list=\? AND offset>\? AND offset<\?\)/,
  ],
  [
    /^SELECT id, length, stored, state FROM chunks/,
    /SEARCH chunks USING INDEX sqlite_autoindex_chunks_1 \(digest=\?\)/,
  ],
  [/FROM pieces p CROSS JOIN .* p\.content = \?/s, /SEARCH p USING PRIMARY KEY \(content=\?\)/],
  [/^SELECT min\(ref\) FROM extents/, /USING COVERING INDEX extents_in_journal/],
  [/^SELECT 1 FROM extents INDEXED BY/, /extents_in_journal \(ref=\?\)/],
  [/^SELECT ino, journal_bytes FROM inodes/, /inodes_in_journal \(ino>\?\)/],
  [/^SELECT parent, name FROM dentries/, /dentries_by_ino \(ino=\?\)/],
  [/^SELECT name FROM dentries INDEXED/, /dentries_by_ino \(ino=\? AND parent=\?\)/],
  [/^SELECT name FROM xattrs/, /SEARCH xattrs USING (COVERING INDEX .*|PRIMARY KEY )\(ino=\?\)/],
  [/AND state = 1 ORDER BY time DESC LIMIT 1/, /\(group_id=\?\)/],
];

test('the statements requests run most use all they are given', (t) => {
  const { catalog, path } = makeCatalog(t);
  catalog.transactions.commit(1);
  const database = new Database(path, { readonly: true });
  t.after(() => database.close());
  for (const [sql, wanted] of HOT) {
    const statement = catalog.statements.find((prepared) => sql.test(prepared.sql));
    assert.ok(statement, `a statement like ${sql}`);
    const plan = planOf(database, statement.sql);
    assert.ok(
      plan.some((line) => wanted.test(line)),
      `${statement.sql}\n${plan.join('\n')}`,
    );
  }
});
