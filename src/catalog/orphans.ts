import type { Connection } from './connection.js';

/** Inodes without a name. */
export class Orphans {
  readonly #list;

  constructor(connection: Connection) {
    this.#list = connection.number('SELECT ino FROM orphans WHERE ino > ? ORDER BY ino LIMIT ? + 0');
  }

  /** The numbers of orphans above `afterIno`, ascending, at most `limit`. */
  list(afterIno: number, limit: number): number[] {
    return this.#list.all(afterIno, limit);
  }
}

/** Writes the list of orphans; only changes use it. */
export class OrphanEdits {
  readonly #insert;
  readonly #delete;

  constructor(connection: Connection) {
    this.#insert = connection.write('INSERT INTO orphans (ino) VALUES (?)');
    this.#delete = connection.write('DELETE FROM orphans WHERE ino = ?');
  }

  insert(ino: number): void {
    this.#insert.run(ino);
  }

  remove(ino: number): void {
    this.#delete.run(ino);
  }
}
