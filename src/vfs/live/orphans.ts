import type { ChangeLog } from '../../content/change-log.js';
import type { KernelReferences } from './kernel-references.js';
import type { OpenFiles } from './open-files.js';

/**
 * Inodes without a name that something still uses: an open handle, or the kernel (a working folder, an open descriptor
 * of which the daemon hears nothing). No new look-up can reach an orphan, so it ends as soon as nobody has it open and
 * the kernel has given back its last reference. A mount drops what an earlier one left.
 */
export class Orphans {
  readonly #log: ChangeLog;
  readonly #openFiles: OpenFiles;
  readonly #references: KernelReferences;
  readonly #inos: Set<number>;

  /** @param known orphans the catalog lists already */
  constructor(log: ChangeLog, openFiles: OpenFiles, references: KernelReferences, known: Iterable<number>) {
    this.#log = log;
    this.#openFiles = openFiles;
    this.#references = references;
    this.#inos = new Set(known);
  }

  /** The inode lost its last name by a request of the kernel, which therefore knows it. */
  add(ino: number): void {
    this.#inos.add(ino);
  }

  /** The daemon took the inode's last name away by itself: it ends at once where nobody knows it. */
  addUnasked(ino: number): void {
    this.#inos.add(ino);
    this.dropUnused(ino);
  }

  /** The inode has a name again. */
  rescue(ino: number): void {
    this.#inos.delete(ino);
  }

  /** Ends the inode if it is an orphan, the kernel has given it up and nobody has it open. */
  dropUnused(ino: number): void {
    if (!this.#inos.has(ino) || this.#references.has(ino) || this.#openFiles.isOpen(ino)) return;
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
