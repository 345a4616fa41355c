import type { Extent } from '../catalog/extent.js';
import { ChunkError } from '../chunkstore/chunk-error.js';
import { CairnError } from '../core/errors.js';
import { cachedChunk } from '../native/chunk-cache.js';
import type { ContentParts } from './content-parts.js';
import type { ContentTable } from './content-table.js';
import type { ReadPiece } from './transfer.js';

/** How far ahead of a sequential reader chunks are loaded, bytes. */
const READ_AHEAD_BYTES = 8 * 1024 * 1024;
/** A chunk that garbage collection or a swap of pieces took away is looked up this many times. */
const ATTEMPTS = 3;

/** Turns a range of a file into the places its bytes lie in, with the chunks among them in the cache. */
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
    for (const extent of this.#extents(ino, offset, READ_AHEAD_BYTES)) {
      if (isMissing(extent)) this.#parts.chunks.load(extent.digest, extent.chunkLength).catch(() => undefined);
    }
  }

  async #readLater(ino: number, offset: number, length: number): Promise<ReadPiece[]> {
    for (let attempt = 1; ; attempt++) {
      const extents = this.#extents(ino, offset, length);
      const missing = extents.filter(isMissing);
      if (missing.length === 0) return this.#pieces(ino, offset, length, extents);
      try {
        await Promise.all(missing.map((extent) => this.#parts.chunks.load(extent.digest, extent.chunkLength)));
      } catch (error) {
        if (attempt >= ATTEMPTS || !(error instanceof ChunkError && error.state === 'absent')) throw error;
      }
      if (attempt > ATTEMPTS) throw new CairnError('io', `Chunks of inode ${ino} leave the cache before they are read`);
    }
  }

  #extents(ino: number, offset: number, length: number): Extent[] {
    const end = Math.min(offset + length, this.#size(ino));
    return offset < end ? this.#parts.tree.extents.overlapping(ino, offset, end) : [];
  }

  #size(ino: number): number {
    return this.#table.get(ino)?.size ?? this.#parts.tree.inodes.find(ino)?.size ?? 0;
  }

  #pieces(ino: number, offset: number, length: number, extents: readonly Extent[]): ReadPiece[] {
    const end = Math.min(offset + length, this.#size(ino));
    const draft = this.#table.get(ino)?.draft;
    const pieces: ReadPiece[] = [];
    let at = offset;
    for (const dirty of draft?.covered(offset, Math.max(offset, end)) ?? []) {
      this.#addStored(pieces, extents, at, dirty.start);
      if (draft !== undefined) pieces.push({ kind: 'draft', length: dirty.end - dirty.start, draft, at: dirty.start });
      at = dirty.end;
    }
    this.#addStored(pieces, extents, at, end);
    return pieces;
  }

  #addStored(pieces: ReadPiece[], extents: readonly Extent[], start: number, end: number): void {
    let at = start;
    for (const extent of extents) {
      const from = Math.max(extent.offset, at);
      const to = Math.min(extent.offset + extent.length, end);
      if (from >= to) continue;
      if (from > at) pieces.push({ kind: 'zeros', length: from - at });
      pieces.push(this.#piece(extent, from, to));
      at = to;
    }
    if (at < end) pieces.push({ kind: 'zeros', length: end - at });
  }

  #piece(extent: Extent, from: number, to: number): ReadPiece {
    const at = extent.at + (from - extent.offset);
    if (extent.kind === 'chunk') return { kind: 'chunk', length: to - from, digest: extent.digest, at };
    return { kind: 'file', length: to - from, descriptor: this.#parts.journal.descriptor(extent.segment), at };
  }
}

function isMissing(extent: Extent): extent is Extent & { kind: 'chunk' } {
  return extent.kind === 'chunk' && !cachedChunk(extent.digest);
}
