import type { ChunkExtent, Extent } from '../catalog/extent.js';
import { ChunkError } from '../chunkstore/chunk-error.js';
import { areFew } from '../chunkstore/few-chunks.js';
import type { ByteRange } from '../core/ranges.js';
import { cachedChunk } from '../native/chunk-cache.js';
import type { ContentParts } from './content-parts.js';
import type { ContentTable } from './content-table.js';
import { KeptBytes } from './kept-bytes.js';
import type { ReadPiece } from './transfer.js';

/** A chunk that garbage collection or a swap of pieces took away is looked up this many times. */
const ATTEMPTS = 3;

/** Turns a range of a file into the places its bytes lie in: chunks that are in the cache, or copies of their bytes. */
export class ContentReader {
  readonly #parts: ContentParts;
  readonly #table: ContentTable;

  constructor(parts: ContentParts, table: ContentTable) {
    this.#parts = parts;
    this.#table = table;
  }

  /** Pieces that are the bytes [offset, offset + length), cut off at the end of the file. */
  read(ino: number, offset: number, length: number): ReadPiece[] | Promise<ReadPiece[]> {
    const extents = this.#extents(ino, offset, length);
    const missing = extents.filter(isMissing);
    if (missing.length === 0) return this.#pieces(ino, offset, length, extents);
    return this.#readLater(ino, offset, length);
  }

  /** Starts loading what a sequential reader at `offset` will want next. Failures are left to the read itself. */
  ahead(ino: number, offset: number): void {
    for (const extent of this.#extents(ino, offset, this.#parts.chunks.readAheadBytes)) {
      if (isMissing(extent)) this.#parts.chunks.load(extent.digest, extent.chunkLength).catch(() => undefined);
    }
  }

  /**
   * Few chunks are loaded first, and handed on as the cache has them. What is more, or has left the cache by then, is kept for this
   * very read: the cache may be smaller than what a read touches, or be others'.
   */
  async #readLater(ino: number, offset: number, length: number): Promise<ReadPiece[]> {
    const kept = new KeptBytes(this.#parts.chunks);
    let absences = 0;
    for (let turn = 0; ; turn += 1) {
      const extents = this.#extents(ino, offset, length).map((extent) => within(extent, offset, offset + length));
      const missing = extents.filter(isMissing).filter((extent) => kept.of(extent) === undefined);
      if (missing.length === 0) return this.#pieces(ino, offset, length, extents, kept);
      try {
        await (turn === 0 && areFew(missing.map(({ chunkLength }) => chunkLength))
          ? this.#load(missing)
          : kept.add(missing));
      } catch (error) {
        absences += 1;
        if (absences >= ATTEMPTS || !(error instanceof ChunkError && error.state === 'absent')) throw error;
      }
    }
  }

  async #load(missing: readonly ChunkExtent[]): Promise<void> {
    await Promise.all(missing.map(({ digest, chunkLength }) => this.#parts.chunks.load(digest, chunkLength)));
  }

  #extents(ino: number, offset: number, length: number): Extent[] {
    const end = Math.min(offset + length, this.#size(ino));
    return offset < end ? this.#parts.tree.extents.overlapping(ino, offset, end) : [];
  }

  #size(ino: number): number {
    return this.#table.get(ino)?.size ?? this.#parts.tree.inodes.find(ino)?.size ?? 0;
  }

  #pieces(ino: number, offset: number, length: number, extents: readonly Extent[], kept?: KeptBytes): ReadPiece[] {
    const end = Math.min(offset + length, this.#size(ino));
    const draft = this.#table.get(ino)?.draft;
    const pieces: ReadPiece[] = [];
    let at = offset;
    for (const dirty of draft?.covered(offset, Math.max(offset, end)) ?? []) {
      this.#addStored(pieces, extents, { start: at, end: dirty.start }, kept);
      if (draft !== undefined) pieces.push({ kind: 'draft', length: dirty.end - dirty.start, draft, at: dirty.start });
      at = dirty.end;
    }
    this.#addStored(pieces, extents, { start: at, end }, kept);
    return pieces;
  }

  #addStored(pieces: ReadPiece[], extents: readonly Extent[], { start, end }: ByteRange, kept?: KeptBytes): void {
    let at = start;
    for (const extent of extents) {
      const from = Math.max(extent.offset, at);
      const to = Math.min(extent.offset + extent.length, end);
      if (from >= to) continue;
      if (from > at) pieces.push({ kind: 'zeros', length: from - at });
      pieces.push(this.#piece(extent, from, to, kept));
      at = to;
    }
    if (at < end) pieces.push({ kind: 'zeros', length: end - at });
  }

  #piece(extent: Extent, from: number, to: number, kept?: KeptBytes): ReadPiece {
    const length = to - from;
    const into = from - extent.offset;
    const at = extent.at + into;
    if (extent.kind === 'journal') {
      return { kind: 'file', length, descriptor: this.#parts.journal.descriptor(extent.segment), at };
    }
    const bytes = kept?.of(extent);
    if (bytes !== undefined) return { kind: 'bytes', length, bytes: bytes.subarray(into, into + length) };
    return { kind: 'chunk', length, digest: extent.digest, at };
  }
}

function isMissing(extent: Extent): extent is ChunkExtent {
  return extent.kind === 'chunk' && !cachedChunk(extent.digest);
}

/** What of the extent lies in [start, end), which it overlaps. */
function within(extent: Extent, start: number, end: number): Extent {
  const offset = Math.max(extent.offset, start);
  const length = Math.min(extent.offset + extent.length, end) - offset;
  return { ...extent, offset, length, at: extent.at + (offset - extent.offset) };
}
