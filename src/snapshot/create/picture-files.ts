import type { Change, ContentChange } from '../../catalog/change.js';
import type { ChunkExtent, Extent } from '../../catalog/extent.js';
import type { Inode, Storage } from '../../catalog/inode.js';
import type { CatalogReader } from '../../catalog/open-reader.js';
import { CairnError } from '../../core/errors.js';

/** A file's pieces as this job has made them. */
interface Remade {
  readonly extents: Extent[];
  readonly storage: Storage;
}

/**
 * The files of a picture, with the pieces that the job itself has packed or cut anew in place of those that no index
 * can list. What was remade is kept as changes for the mount worker, which swaps it into the live tree.
 */
export class PictureFiles {
  readonly #reader: CatalogReader;
  readonly #remade = new Map<number, Remade>();
  readonly #swaps: Change[] = [];

  constructor(reader: CatalogReader) {
    this.#reader = reader;
  }

  /** Storage of the file as it is now. */
  storage(inode: Readonly<Inode>): Storage {
    return this.#remade.get(inode.ino)?.storage ?? inode.storage;
  }

  /** All extents of the file that begin at `from` or behind, by offset. */
  all(ino: number, from = 0): Iterable<Extent> {
    const remade = this.#remade.get(ino)?.extents;
    if (remade === undefined) return this.#reader.extents.all(ino, from);
    return from === 0 ? remade : remade.filter(({ offset }) => offset >= from);
  }

  /** The file's extents that overlap [start, end), by offset; not clipped. */
  overlapping(ino: number, start: number, end: number): Extent[] {
    const remade = this.#remade.get(ino);
    if (remade === undefined) return this.#reader.extents.overlapping(ino, start, end);
    return remade.extents.filter((extent) => extent.offset < end && start < extent.offset + extent.length);
  }

  /** Takes the new pieces of a file; the picture does not change, so they always fit. */
  make(change: Change): boolean {
    if (change.kind !== 'content') throw new CairnError('invalid', `A snapshot job makes no ${change.kind} change`);
    const extents = [...replaced(this.all(change.ino), change)];
    this.#remade.set(change.ino, { extents, storage: change.storage });
    this.#swaps.push(change);
    return true;
  }

  /** The changes made so far, each for one file at the version of the picture; given out once. */
  takeSwaps(): Change[] {
    return this.#swaps.splice(0);
  }
}

/** The extents with those of the change in place of the range it covers. */
function* replaced(extents: Iterable<Extent>, change: ContentChange): Generator<Extent> {
  const behind: Extent[] = [];
  for (const extent of extents) {
    const end = extent.offset + extent.length;
    if (extent.offset < change.start) yield clipped(extent, extent.offset, Math.min(end, change.start));
    if (end > change.end) behind.push(clipped(extent, Math.max(extent.offset, change.end), end));
  }
  yield* change.extents;
  yield* behind;
}

function clipped(extent: Extent, start: number, end: number): Extent {
  return { ...extent, offset: start, length: end - start, at: extent.at + (start - extent.offset) };
}

/** The extents as pieces of chunks. @throws {CairnError} `corrupt` where one is still in the journal */
export function* inChunks(extents: Iterable<Extent>): Generator<ChunkExtent> {
  for (const extent of extents) {
    if (extent.kind !== 'chunk') throw new CairnError('corrupt', 'A file has bytes in no chunk after it was cut');
    yield extent;
  }
}
