import { LRUCache } from 'lru-cache';
import { CairnError } from '../core/errors.js';
import { type Connection, checkedCount, type Row } from './connection.js';
import type { Counters } from './counters.js';
import type { ChunkerKind, Inode, Role, Storage } from './inode.js';

/** An inode with what only this room knows of it. Never written to: a change makes a new one. */
export interface InodeEntry {
  readonly inode: Readonly<Inode>;
  /** Its extent list; 0 where it never had any. */
  readonly list: number;
  readonly journalBytes: number;
}

/** Inode numbers are 40 bits of the kernel's node id. */
const MAX_INO = 2 ** 40 - 1;

/** Decoded rows kept: about 500 bytes each. */
const CACHED_ROWS = 32_768;

const COLUMNS = [
  ...['ino', 'mode', 'nlink', 'uid', 'gid', 'rdev', 'size', 'allocated', 'atime_sec', 'atime_nsec', 'mtime_sec'],
  ...['mtime_nsec', 'ctime_sec', 'ctime_nsec', 'btime_sec', 'btime_nsec', 'storage', 'chunker', 'version', 'role'],
  ...['group_id', 'target', 'extent_list', 'journal_bytes'],
];

/** What a change may set; the rest stays as it was made. */
const CHANGING = COLUMNS.filter((column) => !/^(ino|rdev|btime_sec|btime_nsec|target)$/.test(column));

/** The columns `decodeInode` reads, each under the alias `i`. */
export const INODE_COLUMNS = COLUMNS.map((column) => `i.${column}`).join(', ');

/** Makes an inode of `INODE_COLUMNS`, the first of them at `at` in the row. */
export function decodeInode(row: Row, at: number): InodeEntry {
  const inode: Inode = {
    ino: row[at] as number,
    mode: row[at + 1] as number,
    nlink: row[at + 2] as number,
    uid: row[at + 3] as number,
    gid: row[at + 4] as number,
    rdev: row[at + 5] as number,
    size: row[at + 6] as number,
    allocated: row[at + 7] as number,
    atimeSec: row[at + 8] as number,
    atimeNsec: row[at + 9] as number,
    mtimeSec: row[at + 10] as number,
    mtimeNsec: row[at + 11] as number,
    ctimeSec: row[at + 12] as number,
    ctimeNsec: row[at + 13] as number,
    btimeSec: row[at + 14] as number,
    btimeNsec: row[at + 15] as number,
    storage: row[at + 16] as Storage,
    chunker: row[at + 17] as ChunkerKind,
    version: row[at + 18] as number,
    role: row[at + 19] as Role,
    group: row[at + 20] as number,
    target: row[at + 21] as Buffer | null,
  };
  return { inode, list: row[at + 22] as number, journalBytes: row[at + 23] as number };
}

/** A copy with some fields set. Written out because it is on the way of every change: a spread takes 10 times as long. */
function merged(inode: Readonly<Inode>, fields: Partial<Inode>): Inode {
  return {
    ino: inode.ino,
    mode: fields.mode ?? inode.mode,
    nlink: fields.nlink ?? inode.nlink,
    uid: fields.uid ?? inode.uid,
    gid: fields.gid ?? inode.gid,
    rdev: inode.rdev,
    size: fields.size ?? inode.size,
    allocated: fields.allocated ?? inode.allocated,
    atimeSec: fields.atimeSec ?? inode.atimeSec,
    atimeNsec: fields.atimeNsec ?? inode.atimeNsec,
    mtimeSec: fields.mtimeSec ?? inode.mtimeSec,
    mtimeNsec: fields.mtimeNsec ?? inode.mtimeNsec,
    ctimeSec: fields.ctimeSec ?? inode.ctimeSec,
    ctimeNsec: fields.ctimeNsec ?? inode.ctimeNsec,
    btimeSec: inode.btimeSec,
    btimeNsec: inode.btimeNsec,
    storage: fields.storage ?? inode.storage,
    chunker: fields.chunker ?? inode.chunker,
    version: fields.version ?? inode.version,
    role: fields.role ?? inode.role,
    group: fields.group ?? inode.group,
    target: inode.target,
  };
}

/** @throws {CairnError} `out-of-range` where an inode cannot be stored */
export function checkInode(inode: Readonly<Inode>): void {
  if (inode.ino > MAX_INO) throw new CairnError('out-of-range', `Inode number ${inode.ino} has more than 40 bits`);
  checkedCount(inode.ino, 'inode number');
  checkedCount(inode.size, `size of inode ${inode.ino}`);
}

/** What finds an inode's row. */
export interface InodeSource {
  entry(ino: number): InodeEntry | undefined;
  /** Its extent list; 0 where it has none, or is none. */
  list(ino: number): number;
}

/** Reads inodes straight from the database. */
export class InodeRows implements InodeSource {
  readonly #select;
  readonly #list;

  constructor(connection: Connection) {
    this.#select = connection.rows(`SELECT ${INODE_COLUMNS} FROM inodes i WHERE i.ino = ?`);
    this.#list = connection.number('SELECT extent_list FROM inodes WHERE ino = ?');
  }

  entry(ino: number): InodeEntry | undefined {
    const row = this.#select.get(ino);
    return row && decodeInode(row, 0);
  }

  list(ino: number): number {
    return this.#list.get(ino) ?? 0;
  }
}

/** The live inodes as the mount sees them. */
export interface Inodes {
  /** The inode, or undefined where there is none. It is the catalog's own record: read it, never write to it. */
  find(ino: number): Readonly<Inode> | undefined;
  /** A number no inode ever had. Kept in memory; the change that uses it makes it lasting. */
  allocate(): number;
}

/** The writer's inodes: rows behind a cache that every write goes through. */
export class InodeTable implements Inodes, InodeSource {
  readonly #rows: InodeRows;
  readonly #counters: Counters;
  readonly #cache = new LRUCache<number, InodeEntry>({ max: CACHED_ROWS });
  readonly #insert;
  readonly #update;
  readonly #delete;

  constructor(connection: Connection, counters: Counters) {
    this.#rows = new InodeRows(connection);
    this.#counters = counters;
    this.#insert = connection.write(
      `INSERT INTO inodes (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})`,
    );
    this.#update = connection.write(`UPDATE inodes SET ${CHANGING.map((c) => `${c} = ?`).join(', ')} WHERE ino = ?`);
    this.#delete = connection.write('DELETE FROM inodes WHERE ino = ?');
  }

  find(ino: number): Readonly<Inode> | undefined {
    return this.entry(ino)?.inode;
  }

  entry(ino: number): InodeEntry | undefined {
    const cached = this.#cache.get(ino);
    if (cached !== undefined) return cached;
    const entry = this.#rows.entry(ino);
    if (entry !== undefined) this.#cache.set(ino, entry);
    return entry;
  }

  list(ino: number): number {
    return this.entry(ino)?.list ?? 0;
  }

  /** @throws {CairnError} `corrupt` where a change names an inode that does not exist */
  require(ino: number, what: string): InodeEntry {
    const entry = this.entry(ino);
    if (entry === undefined) throw new CairnError('corrupt', `A change names ${what} ${ino}, which does not exist`);
    return entry;
  }

  allocate(): number {
    const { meta } = this.#counters;
    if (meta.nextIno > MAX_INO) throw new CairnError('no-space', 'All 2^40 inode numbers have been given out');
    const ino = meta.nextIno;
    meta.nextIno += 1;
    return ino;
  }

  /** Makes the row of an inode that has no content yet: what `allocated` says is not taken. */
  insert(given: Readonly<Inode>): void {
    const inode = merged(given, { allocated: 0 });
    if (given.target !== null) inode.target = Buffer.from(given.target);
    const { ino, mode, nlink, uid, gid, rdev, size, atimeSec, atimeNsec, mtimeSec, mtimeNsec } = inode;
    const { ctimeSec, ctimeNsec, btimeSec, btimeNsec, storage, chunker, version, role, group, target } = inode;
    // biome-ignore format: in the order of COLUMNS
    this.#insert.run(
      ino, mode, nlink, uid, gid, rdev, size, 0, atimeSec, atimeNsec, mtimeSec, mtimeNsec,
      ctimeSec, ctimeNsec, btimeSec, btimeNsec, storage, chunker, version, role, group, target, 0, 0,
    );
    this.#cache.set(ino, { inode, list: 0, journalBytes: 0 });
    const { meta } = this.#counters;
    meta.inodes += 1;
    if (ino >= meta.nextIno) meta.nextIno = ino + 1;
  }

  /** Stores fields that may change; number, rdev, birth time and link target never do. */
  update(before: InodeEntry, fields: Partial<Inode>, extents?: { list: number; journalBytes: number }): void {
    const inode = merged(before.inode, fields);
    const { ino, mode, nlink, uid, gid, size, allocated, atimeSec, atimeNsec, mtimeSec, mtimeNsec } = inode;
    const { ctimeSec, ctimeNsec, storage, chunker, version, role, group } = inode;
    const list = extents?.list ?? before.list;
    const journalBytes = extents?.journalBytes ?? before.journalBytes;
    // biome-ignore format: in the order of CHANGING
    this.#update.run(
      mode, nlink, uid, gid, size, allocated, atimeSec, atimeNsec, mtimeSec, mtimeNsec,
      ctimeSec, ctimeNsec, storage, chunker, version, role, group, list, journalBytes, ino,
    );
    this.#cache.set(ino, { inode, list, journalBytes });
    const { meta } = this.#counters;
    meta.allocatedBytes += allocated - before.inode.allocated;
    meta.journalBytes += journalBytes - before.journalBytes;
  }

  remove(entry: InodeEntry): void {
    this.#delete.run(entry.inode.ino);
    this.#cache.delete(entry.inode.ino);
    const { meta } = this.#counters;
    meta.inodes -= 1;
    meta.allocatedBytes -= entry.inode.allocated;
    meta.journalBytes -= entry.journalBytes;
  }

  /** Forgets what is cached, after the database went back. */
  forget(): void {
    this.#cache.clear();
  }
}
