import type { ChangeLog } from '../../content/change-log.js';
import type { OpenFiles } from './open-files.js';

/**
 * Inodes without a name that something still uses: an open handle, or the kernel's cache (a working directory, an
 * open descriptor). The kernel gives an inode up with one FORGET when nothing uses it any more, and no new look-up
 * can reach an orphan, so that FORGET ends it. A mount drops what an earlier one left.
 */
export class Orphans {
  readonly #log: ChangeLog;
  readonly #openFiles: OpenFiles;
  readonly #inos: Set<number>;
  readonly #forgotten = new Set<number>();

  /** @param known orphans the catalog lists already */
  constructor(log: ChangeLog, openFiles: OpenFiles, known: Iterable<number>) {
    this.#log = log;
    this.#openFiles = openFiles;
    this.#inos = new Set(known);
  }

  /** The inode lost its last name. */
  add(ino: number): void {
    this.#inos.add(ino);
  }

  /** The inode has a name again. */
  rescue(ino: number): void {
    this.#inos.delete(ino);
    this.#forgotten.delete(ino);
  }

  /** The kernel gave the inode up. */
  forgotten(ino: number): void {
    if (!this.#inos.has(ino)) return;
    this.#forgotten.add(ino);
    this.dropUnused(ino);
  }

  /** Ends the inode if it is an orphan the kernel has given up and nobody has open. */
  dropUnused(ino: number): void {
    if (!this.#forgotten.has(ino) || this.#openFiles.isOpen(ino)) return;
    this.#drop(ino);
  }

  /** Ends all orphans: for a time when no kernel uses the tree. */
  dropAll(): void {
    for (const ino of [...this.#inos]) this.#drop(ino);
  }

  #drop(ino: number): void {
    try {
      this.#log.make({ kind: 'drop-orphan', ino });
    } catch {
      // On a full disk, or where the store takes no changes: the catalog still lists it, and the next mount drops it.
      return;
    }
    this.rescue(ino);
  }
}
