import type { ChunkExtent } from '../catalog/extent.js';
import { type Inode, isRegularFile, STORAGE_LARGE, STORAGE_PACKED, type Storage } from '../catalog/inode.js';
import { CairnError } from '../core/errors.js';
import type { ContentParts } from './content-parts.js';
import type { ContentTable } from './content-table.js';
import { storageOf } from './storage.js';
import { timesAfterWrite } from './write-times.js';

/** Extents that one request copies, and those it replaces, at most: together the 1,000 rows of design §3. */
export const CLONED_EXTENTS = 500;

/** Bytes of one live file that another, or itself elsewhere, is to have. */
export interface CloneRange {
  readonly from: number;
  readonly fromStart: number;
  readonly to: number;
  readonly toStart: number;
  /** More than the source has is cut off at its end. */
  readonly length: number;
}

/** What a cloner works on. */
export type CloneParts = Pick<ContentParts, 'tree' | 'log' | 'sink' | 'clock'>;

/** A piece of a chunk that some index file names. */
export type NamedPiece = Omit<ChunkExtent, 'kind' | 'storedLength'>;

/** Pieces of chunks that a range of a live file is to be. */
export interface PlacedPieces {
  readonly to: number;
  readonly start: number;
  readonly length: number;
  /** By offset in the file, inside the range; what none covers is a hole. At most `CLONED_EXTENTS`. */
  readonly pieces: readonly NamedPiece[];
  /** Whether it is all of a file, whose payload header lies before the one piece in its chunk. */
  readonly isPacked: boolean;
}

/** Gives live files content by reference: no bytes move. What was written to either file before counts. */
export class Cloner {
  readonly #parts: CloneParts;
  readonly #table: ContentTable;

  constructor(parts: CloneParts, table: ContentTable) {
    this.#parts = parts;
    this.#table = table;
  }

  /**
   * Gives a range of a live file the content of another, holes among it: extents are copied, or, where a whole file replaces
   * a whole file, their list is shared.
   * @returns how many bytes: fewer than wanted at the source's end, or where there are more extents than one request may touch
   * @throws {CairnError} `invalid` where the ranges overlap in one file; `unsupported` for a part that makes a small file,
   *   whose bytes are better copied; `stale` where a file is gone
   */
  async cloneRange(range: CloneRange): Promise<number> {
    const { from, to } = range;
    // What cannot be stored is given up and its writer hears of it; what there is, is cloned.
    await this.#table.get(from)?.flush();
    return this.#change(to, () => {
      this.#table.get(from)?.capture();
      return this.#cloneNow(range);
    });
  }

  /**
   * Gives a range of a live file pieces of chunks that a snapshot names, unread. The chunks are held until the commit that
   * names them for the file.
   * @throws {CairnError} `unsupported` where the catalog does not know one as present, or parts would make a small file
   */
  placePieces(placed: PlacedPieces): Promise<void> {
    const { sink } = this.#parts;
    return this.#change(placed.to, () => {
      const held: ChunkExtent[] = [];
      try {
        for (const piece of placed.pieces) held.push(this.#heldExtent(piece));
        this.#placeNow(placed, [...held]);
        for (const { digest } of held.splice(0)) sink.named(digest);
      } finally {
        for (const { digest } of held) sink.release(digest);
      }
    });
  }

  async #change<T>(ino: number, make: () => T): Promise<T> {
    const content = this.#table.open(ino);
    try {
      return await content.changeBeside(make);
    } finally {
      await this.#table.close(ino);
    }
  }

  #cloneNow(range: CloneRange): number {
    const { from, fromStart, to, toStart } = range;
    const [source, target] = [this.#file(from), this.#file(to)];
    const wanted = Math.min(range.length, source.size - fromStart);
    if (wanted <= 0) return 0;
    if (from === to && Math.abs(fromStart - toStart) < wanted) throw new CairnError('invalid', 'The ranges overlap');
    const coversAll = fromStart === 0 && toStart === 0 && wanted === source.size && target.size <= wanted;
    const isWhole = coversAll && !this.#isGrowing(source);
    const length = isWhole ? wanted : this.#bounded(range, wanted);
    const storage = isWhole ? source.storage : largeStorage(Math.max(target.size, toStart + length));
    const chunker = target.size === 0 && toStart === 0 ? source.chunker : target.chunker;
    const times = timesAfterWrite(target, this.#parts.clock.now());
    this.#parts.log.make({
      kind: 'clone',
      ino: to,
      start: toStart,
      from,
      fromStart,
      length,
      storage,
      chunker,
      ...times,
    });
    if (isWhole) for (const ino of [from, to]) this.#table.get(ino)?.extentsShared();
    return length;
  }

  /** Whether chunks are being stored for a file of many extents: it would need a list of its own again at once. */
  #isGrowing({ ino, size }: Readonly<Inode>): boolean {
    if (this.#table.get(ino)?.dirty !== true) return false;
    return this.#parts.tree.extents.reach(ino, 0, size, CLONED_EXTENTS) < size;
  }

  /** How far few enough extents are copied and replaced. */
  #bounded({ from, fromStart, to, toStart }: CloneRange, wanted: number): number {
    const { extents } = this.#parts.tree;
    const source = extents.reach(from, fromStart, fromStart + wanted, CLONED_EXTENTS) - fromStart;
    return extents.reach(to, toStart, toStart + source, CLONED_EXTENTS) - toStart;
  }

  #heldExtent(piece: NamedPiece): ChunkExtent {
    const known = this.#parts.sink.holdKnown(piece.digest, piece.chunkLength);
    if (known === undefined) throw new CairnError('unsupported', 'A chunk of the snapshot is not known to be present');
    return { kind: 'chunk', ...piece, storedLength: known.stored };
  }

  #placeNow({ to, start, length, isPacked }: PlacedPieces, extents: readonly ChunkExtent[]): void {
    const target = this.#file(to);
    const size = Math.max(target.size, start + length);
    const storage = isPacked && size === length ? STORAGE_PACKED : largeStorage(size);
    const { chunker } = target;
    const times = timesAfterWrite(target, this.#parts.clock.now());
    const end = start + length;
    this.#parts.log.make({ kind: 'content', ino: to, start, end, extents, size, storage, chunker, ...times });
  }

  /** @throws {CairnError} `stale`, `invalid` */
  #file(ino: number): Readonly<Inode> {
    const inode = this.#parts.tree.inodes.find(ino);
    if (inode === undefined) throw new CairnError('stale', `Inode ${ino} is gone`);
    if (!isRegularFile(inode.mode)) throw new CairnError('invalid', `Inode ${ino} is no regular file`);
    return inode;
  }
}

/** @throws {CairnError} `unsupported` for a small file: its bytes are fewer than a piece of a chunk would keep */
function largeStorage(sizeBytes: number): Storage {
  const storage = storageOf(sizeBytes);
  if (storage === STORAGE_LARGE) return storage;
  throw new CairnError('unsupported', 'Parts of small files are copied by bytes');
}
