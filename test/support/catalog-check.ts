import Database from 'better-sqlite3';
import type { Extent } from '../../src/catalog/extent.js';
import type { Inode } from '../../src/catalog/inode.js';
import type { Catalog } from '../../src/catalog/open.js';
import { type ByteSource, type TreeModel, text } from './catalog-model.js';

/** Everything a catalog or a model of one says, in a form to compare. Ids that mean nothing outside are left out. */
export interface TreeDump {
  readonly files: Record<string, unknown>;
  readonly names: Record<string, number>;
  readonly orphans: readonly number[];
  readonly journal: readonly unknown[];
  readonly totals: unknown;
}

function journalBytes(data: readonly ByteSource[]): number {
  return data.filter((byte) => byte?.startsWith('segment')).length;
}

function shown(inode: Readonly<Inode>, data: readonly ByteSource[], xattrs: readonly (readonly string[])[]): unknown {
  const runs: string[] = [];
  data.forEach((byte, at) => {
    const [before, here] = [data[at - 1], byte];
    const [source, place] = here?.split('@') ?? [];
    if (here !== undefined && before !== `${source}@${Number(place) - 1}`) runs.push(`${at}: ${here}`);
    if (here === undefined && before !== undefined) runs.push(`${at}: hole`);
  });
  const target = inode.target && text(inode.target);
  return { ...inode, target, runs, xattrs };
}

export function dumpModel(model: TreeModel): TreeDump {
  const files: Record<string, unknown> = {};
  const links = model.links();
  const journal: unknown[] = [];
  let allocatedBytes = 0;
  for (const [ino, { inode, data, xattrs }] of [...model.files].sort(([a], [b]) => a - b)) {
    const whole = Array.from({ length: inode.mode < 0o120000 ? inode.size : 0 }, (_, at) => data[at]);
    files[ino] = shown({ ...inode, nlink: links.get(ino)! }, whole, [...xattrs].sort());
    const bytes = journalBytes(whole);
    if (bytes > 0) journal.push({ ino, bytes });
    allocatedBytes += inode.allocated;
  }
  const names: Record<string, number> = {};
  for (const [folder, entries] of [...model.folders].sort(([a], [b]) => a - b)) {
    for (const [name, ino] of [...entries].sort()) names[`${folder}/${name}`] = ino;
  }
  const totals = { inodes: model.files.size, allocatedBytes, chunks: model.chunks.size };
  return { files, names, orphans: model.orphans(), journal, totals };
}

export function dumpCatalog(catalog: Catalog): TreeDump {
  const files: Record<string, unknown> = {};
  const names: Record<string, number> = {};
  const file = (ino: number) => {
    const inode = catalog.inodes.find(ino)!;
    const data = new Array<ByteSource>(inode.mode < 0o120000 ? inode.size : 0).fill(undefined);
    for (const extent of catalog.extents.all(ino, 0, 3)) place(data, extent);
    const xattrs = catalog.xattrs.all(ino).map(({ name, value }) => [text(name), text(value)]);
    files[ino] = shown(inode, data, xattrs);
  };
  const folder = (ino: number) => {
    for (let cookie = 0; ; ) {
      const entries = catalog.names.entries(ino, cookie, 5);
      for (const entry of entries) {
        names[`${ino}/${text(entry.name)}`] = entry.ino;
        file(entry.ino);
        if ((entry.inode.mode & 0o170000) === 0o040000) folder(entry.ino);
      }
      if (entries.length === 0) break;
      cookie = entries.at(-1)!.cookie;
    }
  };
  file(1);
  folder(1);
  const orphans = catalog.orphans.list(0, 1_000_000);
  orphans.forEach(file);
  const { inodes, allocatedBytes, chunks } = catalog.figures();
  const totals = { inodes, allocatedBytes, chunks: chunks.present.chunks };
  return { files, names, orphans, journal: catalog.journalRefs.files(0, 1_000_000), totals };
}

function place(data: ByteSource[], extent: Extent): void {
  const source = extent.kind === 'chunk' ? text(extent.digest) : `segment ${extent.segment}`;
  for (let n = 0; n < extent.length; n++) data[extent.offset + n] = `${source}@${extent.at + n}`;
}

/** Relations that hold between the rows of a whole, committed catalog; each query shows rows that break one. */
const RELATIONS: readonly string[] = [
  'SELECT d.* FROM dentries d LEFT JOIN inodes i ON i.ino = d.ino WHERE i.ino IS NULL',
  'SELECT d.* FROM dentries d LEFT JOIN inodes i ON i.ino = d.parent WHERE i.mode IS NULL OR (i.mode & 61440) <> 16384',
  'SELECT x.ino FROM xattrs x LEFT JOIN inodes i ON i.ino = x.ino WHERE i.ino IS NULL',
  'SELECT ino, nlink FROM inodes WHERE (nlink = 0) <> (ino IN (SELECT ino FROM orphans))',
  'SELECT ino FROM orphans WHERE ino NOT IN (SELECT ino FROM inodes)',
  `SELECT e.* FROM extents e WHERE e.list NOT IN (SELECT extent_list FROM inodes)
     AND e.list NOT IN (SELECT list FROM freed_lists)`,
  'SELECT list FROM freed_lists WHERE list IN (SELECT extent_list FROM inodes)',
  `SELECT extent_list FROM inodes WHERE extent_list > 0 GROUP BY extent_list
     HAVING count(*) <> coalesce((SELECT refs FROM shared_lists WHERE list = extent_list), 1)`,
  'SELECT * FROM shared_lists WHERE refs < 2 OR list NOT IN (SELECT extent_list FROM inodes)',
  `SELECT list, offset, length FROM (SELECT *, lead(offset) OVER (PARTITION BY list ORDER BY offset) AS next
     FROM extents) WHERE next < offset + length`,
  `SELECT i.ino, i.allocated, i.journal_bytes FROM inodes i WHERE
     i.allocated <> (SELECT coalesce(sum(length), 0) FROM extents WHERE list = i.extent_list AND i.extent_list > 0) OR
     i.journal_bytes <> (SELECT coalesce(sum(length), 0) FROM extents
       WHERE list = i.extent_list AND i.extent_list > 0 AND kind = 1)`,
  'SELECT i.ino FROM inodes i JOIN extents e ON e.list = i.extent_list WHERE e.offset + e.length > i.size',
  'SELECT e.* FROM extents e LEFT JOIN chunks c ON c.id = e.ref WHERE e.kind = 0 AND (c.id IS NULL OR e.at + e.length > c.length)',
  'SELECT p.* FROM pieces p LEFT JOIN chunks c ON c.id = p.chunk WHERE c.id IS NULL',
  `SELECT t.* FROM chunk_totals t WHERE (t.chunks, t.plain, t.stored) <>
     (SELECT count(*), coalesce(sum(length), 0), coalesce(sum(stored), 0) FROM chunks WHERE state = t.state)`,
  `SELECT * FROM meta WHERE (inodes, allocated_bytes, journal_bytes) <>
     (SELECT count(*), sum(allocated), sum(journal_bytes) FROM inodes)`,
  `SELECT * FROM meta WHERE next_ino <= (SELECT max(ino) FROM inodes) OR next_entry <= (SELECT max(id) FROM dentries)
     OR next_list <= (SELECT coalesce(max(list), 0) FROM extents) OR next_group <= (SELECT coalesce(max(id), 0) FROM groups)`,
  'SELECT g.* FROM groups g WHERE g.group_ino NOT IN (SELECT ino FROM inodes) OR g.current_ino NOT IN (SELECT ino FROM inodes)',
];

/** What is wrong with the committed rows of a catalog; empty where all is well. */
export function brokenRelations(path: string): string[] {
  const database = new Database(path, { readonly: true });
  try {
    const broken = RELATIONS.flatMap((sql) => {
      const rows = database.prepare(`${sql} LIMIT 3`).all();
      return rows.length === 0 ? [] : [`${sql}: ${JSON.stringify(rows)}`];
    });
    const integrity = database.pragma('integrity_check', { simple: true }) as string;
    return integrity === 'ok' ? broken : [...broken, integrity];
  } finally {
    database.close();
  }
}
