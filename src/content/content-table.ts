import { CairnError } from '../core/errors.js';
import type { ContentOverlay } from './content-overlay.js';
import type { ContentParts } from './content-parts.js';
import { OpenContent } from './open-content.js';
import { type HandleErrors, WriteErrors } from './write-errors.js';

interface TableEntry {
  readonly content: OpenContent;
  handles: number;
}

/** The files that are open for writing, by inode. An entry lives as long as a handle or an operation uses it. */
export class ContentTable {
  /** Of all files, also of those that are open no more. */
  readonly errors = new WriteErrors();
  readonly #parts: ContentParts;
  readonly #entries = new Map<number, TableEntry>();
  #lost: (ino: number) => void = () => undefined;

  constructor(parts: ContentParts) {
    this.#parts = parts;
    parts.budget.onPressure(() => this.relieve());
  }

  /** Whom to tell of files that have lost bytes and size they seemed to have; one listener. */
  onLost(listener: (ino: number) => void): void {
    this.#lost = listener;
  }

  /** The file's content for writing; give it back with `close`. @throws {CairnError} `stale` where the inode is gone */
  open(ino: number): OpenContent {
    let entry = this.#entries.get(ino);
    if (entry === undefined) {
      const inode = this.#parts.tree.inodes.find(ino);
      if (inode === undefined) throw new CairnError('stale', `Inode ${ino} is gone`);
      const content = new OpenContent(this.#parts, this.errors, inode, () => this.#lost(ino));
      entry = { content, handles: 0 };
      this.#entries.set(ino, entry);
    }
    entry.handles += 1;
    return entry.content;
  }

  /**
   * All that was written to the file before is stored and recorded when it resolves.
   * @param handle whose fsync(2) or close(2) it is
   * @throws what the handle has not been told of yet; the bytes it concerns were given up
   */
  flush(ino: number, handle: HandleErrors): void | Promise<void> {
    const flushed = this.get(ino)?.flush();
    if (flushed !== undefined) return flushed.then(() => this.errors.tell(ino, handle));
    this.errors.tell(ino, handle);
  }

  /** Gives back what `open` gave; what is still dirty is brought to a safe place first, and an error kept to be told. */
  close(ino: number): void | Promise<void> {
    const entry = this.#entries.get(ino);
    if (entry === undefined) return;
    entry.handles -= 1;
    if (entry.handles > 0) return;
    const flushed = this.#isThere(ino) ? entry.content.flush() : undefined;
    if (flushed !== undefined) return flushed.then(() => this.#forget(ino, entry));
    this.#forget(ino, entry);
  }

  #isThere(ino: number): boolean {
    return this.#parts.tree.inodes.find(ino) !== undefined;
  }

  /** The file's content if it is open for writing. */
  get(ino: number): OpenContent | undefined {
    return this.#entries.get(ino)?.content;
  }

  /** What stat(2) must show instead of the catalog's size and times; undefined where the catalog is right. */
  overlay(ino: number): ContentOverlay | undefined {
    const content = this.#entries.get(ino)?.content;
    return content?.dirty === true ? content.overlay() : undefined;
  }

  /** Dirty bytes in memory over all files. */
  get dirtyBytes(): number {
    let sum = 0;
    for (const { content } of this.#entries.values()) sum += content.dirtyBytes;
    return sum;
  }

  /** Brings dirty bytes of all files to the journal where it can be done at once. */
  relieve(): void {
    for (const { content } of this.#entries.values()) content.relieve();
  }

  /** Brings all dirty bytes into the journal at once, for a picture. @throws where the journal cannot take them */
  capture(): void {
    for (const { content } of this.#entries.values()) content.capture();
  }

  /**
   * Everything written so far is stored and recorded when it resolves.
   * @throws a failure that no handle has been told of, after trying all; those who wrote the files still hear of it
   */
  async flushAll(): Promise<void> {
    const inos = [...this.#entries.keys()];
    await Promise.all([...this.#entries.values()].map(({ content }) => content.flush()));
    for (const ino of inos) this.errors.refuseUntold(ino);
  }

  /** Gives all up without storing anything: for a store that is closed. */
  abandon(): void {
    for (const { content } of this.#entries.values()) content.dispose();
    this.#entries.clear();
  }

  #forget(ino: number, entry: TableEntry): void {
    if (entry.handles > 0 || this.#entries.get(ino) !== entry) return;
    // Somebody opened it, wrote and closed it meanwhile: that close is still storing and forgets it.
    if (entry.content.dirty && this.#isThere(ino)) return;
    this.#entries.delete(ino);
    this.#parts.tree.listCopies.discard(ino);
    entry.content.dispose();
  }
}
