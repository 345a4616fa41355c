import { CairnError } from '../core/errors.js';
import type { Connection } from './connection.js';
import type { Counters } from './counters.js';
import { type Inode, ROOT_INO } from './inode.js';
import { decodeInode, INODE_COLUMNS } from './inodes.js';

/** One name of a folder, with what it names. */
export interface FolderListing {
  /** Resumes the listing behind this name; never re-used, kept when the name is renamed or replaced. */
  readonly cookie: number;
  readonly name: Uint8Array;
  readonly ino: number;
  readonly inode: Readonly<Inode>;
}

/** A name as a row of `dentries`. */
export interface Dentry {
  readonly parent: number;
  readonly id: number;
  readonly ino: number;
}

/** PATH_MAX allows 2,048 components; more is a ring. */
const MAX_DEPTH = 4096;

/** Looks names up. Names and paths are bytes. */
export class Names {
  readonly #lookup;
  readonly #entries;
  readonly #any;
  readonly #parents;
  readonly #nameIn;

  constructor(connection: Connection) {
    this.#lookup = connection.number('SELECT ino FROM dentries WHERE parent = ? AND name = ?');
    this.#entries = connection.rows(
      `SELECT d.id, d.name, ${INODE_COLUMNS} FROM dentries d CROSS JOIN inodes i ON i.ino = d.ino
       WHERE d.parent = ? AND d.id > ? ORDER BY d.id LIMIT ? + 0`,
    );
    this.#any = connection.number('SELECT 1 FROM dentries WHERE parent = ? LIMIT 1');
    this.#parents = connection.rows(
      'SELECT parent, name FROM dentries INDEXED BY dentries_by_ino WHERE ino = ? ORDER BY parent, id LIMIT ? + 0',
    );
    this.#nameIn = connection.rows(
      `SELECT name FROM dentries INDEXED BY dentries_by_ino WHERE ino = ? AND parent = ? ORDER BY id LIMIT 1`,
    );
  }

  /** The inode number `name` means in folder `parent`. */
  lookup(parent: number, name: Uint8Array): number | undefined {
    return this.#lookup.get(parent, name);
  }

  /** The names of a folder behind `afterCookie` (0: from the start), at most `limit`, in the order they were made. */
  entries(parent: number, afterCookie: number, limit: number): FolderListing[] {
    return this.#entries.all(parent, afterCookie, limit).map((row) => {
      const { inode } = decodeInode(row, 2);
      return { cookie: row[0] as number, name: row[1] as Buffer, ino: inode.ino, inode };
    });
  }

  hasEntries(parent: number): boolean {
    return this.#any.get(parent) !== undefined;
  }

  /** The folder that holds the inode: a folder's only one, any other inode's first; undefined for root and orphans. */
  parentOf(ino: number): number | undefined {
    return this.#parents.get(ino, 1)?.[0] as number | undefined;
  }

  /** A name the inode has in folder `parent`, the oldest of several. */
  entryName(parent: number, ino: number): Uint8Array | undefined {
    return this.#nameIn.get(ino, parent)?.[0] as Buffer | undefined;
  }

  /**
   * A path of the inode from the mount's root, without a leading slash (the root's is empty); undefined for an
   * orphan and for what is in a removed folder.
   */
  pathOf(ino: number): Uint8Array | undefined {
    const parts: Buffer[] = [];
    for (let at = ino; at !== ROOT_INO; ) {
      const row = this.#parents.get(at, 1);
      if (row === undefined) return undefined;
      if (parts.length >= MAX_DEPTH) throw new CairnError('corrupt', `The folders above inode ${ino} form a ring`);
      parts.push(row[1] as Buffer);
      at = row[0] as number;
    }
    return Buffer.concat(parts.reverse().flatMap((part, index) => (index === 0 ? [part] : [SLASH, part])));
  }

  /** The paths of all names of an inode that is no folder, at most `limit`, each as `pathOf` gives it. */
  pathsOf(ino: number, limit: number): Uint8Array[] {
    return this.#parents.all(ino, limit).flatMap(([parent, name]) => {
      const folder = this.pathOf(parent as number);
      return folder === undefined ? [] : [Buffer.concat([folder, SLASH, name as Buffer])];
    });
  }
}

const SLASH = Buffer.from('/');

/** Writes names; only changes use it. */
export class NameEdits {
  readonly #counters: Counters;
  readonly #find;
  readonly #insert;
  readonly #delete;
  readonly #point;
  readonly #move;

  constructor(connection: Connection, counters: Counters) {
    this.#counters = counters;
    this.#find = connection.rows('SELECT id, ino FROM dentries WHERE parent = ? AND name = ?');
    this.#insert = connection.write('INSERT INTO dentries (parent, id, name, ino) VALUES (?, ?, ?, ?)');
    this.#delete = connection.write('DELETE FROM dentries WHERE parent = ? AND id = ?');
    this.#point = connection.write('UPDATE dentries SET ino = ? WHERE parent = ? AND id = ?');
    this.#move = connection.write('UPDATE dentries SET parent = ?, name = ? WHERE parent = ? AND id = ?');
  }

  find(parent: number, name: Uint8Array): Dentry | undefined {
    const row = this.#find.get(parent, name);
    return row && { parent, id: row[0] as number, ino: row[1] as number };
  }

  /** @throws {CairnError} `corrupt` where a change names what does not exist */
  require(parent: number, name: Uint8Array): Dentry {
    const found = this.find(parent, name);
    if (found === undefined) {
      const shown = JSON.stringify(Buffer.from(name).toString());
      throw new CairnError('corrupt', `A change names ${shown} in folder ${parent}, which does not exist`);
    }
    return found;
  }

  insert(parent: number, name: Uint8Array, ino: number): void {
    const { meta } = this.#counters;
    this.#insert.run(parent, meta.nextEntry, name, ino);
    meta.nextEntry += 1;
  }

  remove(dentry: Dentry): void {
    this.#delete.run(dentry.parent, dentry.id);
  }

  /** Makes the name mean another inode; its cookie stays, so a listing under way shows the name once. */
  point(dentry: Dentry, ino: number): void {
    this.#point.run(ino, dentry.parent, dentry.id);
  }

  /** Gives the entry another folder and name; its cookie stays. */
  move(dentry: Dentry, parent: number, name: Uint8Array): void {
    this.#move.run(parent, name, dentry.parent, dentry.id);
  }
}
