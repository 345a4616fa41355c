import type { Xattr } from './change.js';
import type { Connection } from './connection.js';

/** Reads extended attributes. */
export class Xattrs {
  readonly #value;
  readonly #names;
  readonly #all;

  constructor(connection: Connection) {
    this.#value = connection.rows('SELECT value FROM xattrs WHERE ino = ? AND name = ?');
    this.#names = connection.rows('SELECT name FROM xattrs WHERE ino = ? ORDER BY name');
    this.#all = connection.rows('SELECT name, value FROM xattrs WHERE ino = ? ORDER BY name');
  }

  find(ino: number, name: Uint8Array): Uint8Array | undefined {
    return this.#value.get(ino, name)?.[0] as Buffer | undefined;
  }

  /** The names in byte order. */
  names(ino: number): Uint8Array[] {
    return this.#names.all(ino).map((row) => row[0] as Buffer);
  }

  /** Names and values, in byte order of names. */
  all(ino: number): Xattr[] {
    return this.#all.all(ino).map((row) => ({ name: row[0] as Buffer, value: row[1] as Buffer }));
  }
}

/** Writes extended attributes; only changes use it. */
export class XattrEdits {
  readonly #put;
  readonly #delete;
  readonly #deleteAll;

  constructor(connection: Connection) {
    this.#put = connection.write(
      'INSERT INTO xattrs (ino, name, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
    );
    this.#delete = connection.write('DELETE FROM xattrs WHERE ino = ? AND name = ?');
    this.#deleteAll = connection.write('DELETE FROM xattrs WHERE ino = ?');
  }

  put(ino: number, xattr: Xattr): void {
    this.#put.run(ino, xattr.name, xattr.value);
  }

  remove(ino: number, name: Uint8Array): void {
    this.#delete.run(ino, name);
  }

  removeAll(ino: number): void {
    this.#deleteAll.run(ino);
  }
}
