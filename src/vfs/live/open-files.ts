import type { HandleErrors } from '../../content/write-errors.js';
import { CairnError } from '../../core/errors.js';
import type { HandleId } from '../api.js';

/** An open live file. */
export interface OpenFile {
  readonly ino: number;
  readonly writable: boolean;
  /** Opened so that the kernel passes reads and writes straight through. */
  readonly direct: boolean;
  /** Whether a read through this handle may still have to move atime. */
  atimeDue: boolean;
  /** Whether set-id bits and capabilities have been looked at for this handle's writes. */
  privilegesChecked: boolean;
  /** What it has been told of bytes that could not be stored. */
  readonly errors: HandleErrors;
  /** Where a sequential reader would go on. */
  nextRead: number;
}

interface Counts {
  readers: number;
  writers: number;
  /** Those among the writers that are direct. */
  directWriters: number;
}

/** The open live files by handle, and how many handles each inode has. */
export class OpenFiles {
  readonly #files = new Map<HandleId, OpenFile>();
  readonly #counts = new Map<number, Counts>();
  #last: HandleId = 0;

  add(file: OpenFile): HandleId {
    this.#last += 1;
    this.#files.set(this.#last, file);
    const counts = this.#counts.get(file.ino) ?? { readers: 0, writers: 0, directWriters: 0 };
    count(counts, file, 1);
    this.#counts.set(file.ino, counts);
    return this.#last;
  }

  /** @throws {CairnError} `stale` for a handle that is not open */
  get(handle: HandleId): OpenFile {
    const file = this.#files.get(handle);
    if (file === undefined) throw new CairnError('stale', `Handle ${handle} is not open`);
    return file;
  }

  /** Takes the handle away; its file counts as open until `ended`. */
  remove(handle: HandleId): OpenFile | undefined {
    const file = this.#files.get(handle);
    this.#files.delete(handle);
    return file;
  }

  /** Nothing is done any more for a file whose handle was removed. To be called once. */
  ended(file: OpenFile): void {
    const counts = this.#counts.get(file.ino);
    if (counts === undefined) return;
    count(counts, file, -1);
    if (counts.readers + counts.writers === 0) this.#counts.delete(file.ino);
  }

  /** The file has a capability now: the next write through any handle has to take it away. */
  capabilityGiven(ino: number): void {
    for (const file of this.#files.values()) if (file.ino === ino) file.privilegesChecked = false;
  }

  isOpen(ino: number): boolean {
    return this.#counts.has(ino);
  }

  hasDirectWriter(ino: number): boolean {
    return (this.#counts.get(ino)?.directWriters ?? 0) > 0;
  }

  get count(): number {
    return this.#files.size;
  }
}

function count(counts: Counts, { writable, direct }: OpenFile, by: 1 | -1): void {
  if (!writable) counts.readers += by;
  else {
    counts.writers += by;
    if (direct) counts.directWriters += by;
  }
}
