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

  /** All extents of the file that begin at `from` or behind, by offset; none of them may change meanwhile. */
  all(ino: number, from = 0): Iterable<Extent> {
    const remade = this.#remade.get(ino)?.extents;
    if (remade === undefined) return this.#reader.extents.all(ino, from);
    return from === 0
      ? remade
      : piecesFrom(
          remade,
          firstIndex(remade, ({ offset }) => offset >= from),
        );
  }

  /** The file's extents that overlap [start, end), by offset; not clipped. */
  overlapping(ino: number, start: number, end: number): Extent[] {
    const remade = this.#remade.get(ino)?.extents;
    if (remade === undefined) return this.#reader.extents.overlapping(ino, start, end);
    const { first, behind } = touched(remade, start, end);
    return remade.slice(first, behind);
  }

  /** Takes the new pieces of a file; the picture does not change, so they always fit. */
  make(change: Change): boolean {
    if (change.kind !== 'content') throw new CairnError('invalid', `A snapshot job makes no ${change.kind} change`);
    // An image in pieces gets many changes: each of them is to look at its own range only.
    const extents = this.#remade.get(change.ino)?.extents ?? [...this.#reader.extents.all(change.ino)];
    replaceRange(extents, change);
    this.#remade.set(change.ino, { extents, storage: change.storage });
    this.#swaps.push(change);
    return true;
  }

  /** The changes made so far, each for one file at the version of the picture; given out once. */
  takeSwaps(): Change[] {
    return this.#swaps.splice(0);
  }
}

/** Puts the extents of the change in place of the range it covers. */
function replaceRange(extents: Extent[], { start, end, extents: given }: ContentChange): void {
  const { first, behind } = touched(extents, start, end);
  const over = extents.slice(first, behind);
  const before = over.slice(0, 1).filter(({ offset }) => offset < start);
  const after = over.slice(-1).filter(({ offset, length }) => offset + length > end);
  extents.splice(
    ...([first, over.length] as const),
    ...before.map((extent) => clipped(extent, extent.offset, start)),
    ...given,
    ...after.map((extent) => clipped(extent, end, extent.offset + extent.length)),
  );
}

/** Which of the extents, by index, overlap [start, end). */
function touched(extents: readonly Extent[], start: number, end: number): { first: number; behind: number } {
  const first = firstIndex(extents, ({ offset, length }) => offset + length > start);
  const behind = firstIndex(extents, ({ offset }) => offset >= end);
  return { first, behind: Math.max(first, behind) };
}

/** Index of the first extent that is so; all behind it are, too. */
function firstIndex(extents: readonly Extent[], isSo: (extent: Extent) => boolean): number {
  let [low, high] = [0, extents.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isSo(extents[middle] as Extent)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function* piecesFrom(extents: readonly Extent[], index: number): Generator<Extent> {
  for (let i = index; i < extents.length; i += 1) yield extents[i] as Extent;
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
