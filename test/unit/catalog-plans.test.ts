import assert from 'node:assert/strict';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { openCatalogReader } from '../../src/catalog/open-reader.js';
import { makeCatalog } from '../support/catalog.js';

/** Reading one of a handful of rows in order of the primary key, from its start, is no scan. */
const FIRST_ROW = /^SELECT list FROM freed_lists ORDER BY list LIMIT 1$/;

test('every statement on the way of a request finds its rows by an index', (t) => {
  const { catalog, path } = makeCatalog(t);
  catalog.transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  const database = new Database(path, { readonly: true });
  t.after(() => database.close());
  const statements = [...catalog.statements, ...reader.statements].filter(({ use }) => use === 'request');
  assert.ok(statements.length > 80, 'the statements of all tables are looked at');
  for (const { sql } of statements.filter((statement) => !FIRST_ROW.test(statement.sql))) {
    const blanks = Array.from(sql.matchAll(/\?/g), () => null);
    const plan = database.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(blanks);
    for (const { detail } of plan) {
      assert.doesNotMatch(detail, /^SCAN (?!CONSTANT ROW)/, `${sql}\n${detail}`);
      assert.doesNotMatch(detail, /TEMP B-TREE/, `${sql}\n${detail}`);
    }
  }
});

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
    const blanks = Array.from(statement.sql.matchAll(/\?/g), () => null);
    const explain = database.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${statement.sql}`);
    const plan = explain.all(blanks).map(({ detail }) => detail);
    assert.ok(
      plan.some((line) => wanted.test(line)),
      `${statement.sql}\n${plan.join('\n')}`,
    );
  }
});
