import { RoaringBitmap32 } from 'roaring-wasm';
import { ChunkSet, idsOf } from './chunk-set.js';
import type { Connection } from './connection.js';
import { IN_CHUNK } from './extents.js';
import { STORAGE_PACKED } from './inode.js';

/** A file's content in a pack has this many bytes of payload header before it. */
const HEADER_BYTES = 16;
/** Some file starts with the chunk's first byte, where a pack has a header: it is none. */
const NO_PACK = 0xffff_ffff;

/**
 * How many bytes of each pack live files use, gathered while all extents are walked. Content that several files share
 * counts once, but for about one piece in 4,000 per million, which then counts as dead. 4 bytes per chunk id and 2 to 4
 * per piece.
 */
export class PackUse {
  #bytes = new Uint32Array(1024);
  readonly #pieces = new RoaringBitmap32();

  /** Notes an extent in a chunk. */
  note(chunkId: number, at: number, length: number): void {
    if (chunkId >= this.#bytes.length) this.#grow(chunkId);
    const used = this.#bytes[chunkId]!;
    if (used === NO_PACK) return;
    if (at === 0) this.#bytes[chunkId] = NO_PACK;
    else if (this.#pieces.tryAdd(pieceKey(chunkId, at))) this.#bytes[chunkId] = used + length + HEADER_BYTES;
  }

  /** Every pack by its id, with the bytes used. */
  *packs(): Generator<readonly [chunkId: number, usedBytes: number]> {
    for (const [chunkId, used] of this.#bytes.entries()) if (used > 0 && used !== NO_PACK) yield [chunkId, used];
  }

  dispose(): void {
    this.#pieces.dispose();
  }

  #grow(chunkId: number): void {
    const grown = new Uint32Array(2 ** Math.ceil(Math.log2(chunkId + 2)));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

/** 32 bits that tell pieces apart well enough. */
function pieceKey(chunkId: number, at: number): number {
  let key = Math.imul(chunkId, 0x9e37_79b1) ^ Math.imul(at, 0x85eb_ca6b);
  key = Math.imul(key ^ (key >>> 15), 0x2c1b_3c6d);
  return (key ^ (key >>> 13)) >>> 0;
}

/** Packs, and bytes of theirs. */
export interface PackFigures {
  packs: number;
  /** Plain bytes in use, and all others. */
  usedBytes: number;
  deadBytes: number;
  /** Bytes of their chunk files. */
  storedBytes: number;
}

/** Packs that live files use less than half of. */
export interface HalfDeadPacks {
  /** Those no index file names: what is live in them can be packed anew. Free it after use. */
  readonly free: ChunkSet;
  readonly freeFigures: PackFigures;
  /** Those that snapshots pin. */
  readonly pinnedFigures: PackFigures;
}

/** A live file in a pack, and how to go on behind it. */
export interface PackedFiles {
  readonly inos: readonly number[];
  /** Undefined at the end. */
  readonly next: number | undefined;
}

/** Finds packs that are mostly dead, and what is still alive in them. For jobs. */
export class PackRows {
  readonly #lengths;
  readonly #files;

  constructor(connection: Connection) {
    this.#lengths = connection.rows('SELECT length, stored FROM chunks WHERE id = ? AND state = 0', 'background');
    this.#files = connection.rows(
      `SELECT i.ino, e.ref FROM inodes i CROSS JOIN extents e ON e.list = i.extent_list
       WHERE i.ino > ? AND i.storage = ${STORAGE_PACKED} AND i.nlink > 0 AND e.kind = ${IN_CHUNK}
       ORDER BY i.ino LIMIT ? + 0`,
      'background',
    );
  }

  /** @param pinned chunks that index files name */
  halfDead(use: PackUse, pinned: ChunkSet): HalfDeadPacks {
    const free = new RoaringBitmap32();
    const freeFigures = noPacks();
    const pinnedFigures = noPacks();
    const pinnedIds = idsOf(pinned);
    for (const [chunkId, usedBytes] of use.packs()) {
      const [length, stored] = (this.#lengths.get(chunkId) ?? [0, 0]) as readonly number[];
      if (usedBytes * 2 >= length!) continue;
      const isPinned = pinnedIds.has(chunkId);
      if (!isPinned) free.add(chunkId);
      const figures = isPinned ? pinnedFigures : freeFigures;
      figures.packs += 1;
      figures.usedBytes += usedBytes;
      figures.deadBytes += length! - usedBytes;
      figures.storedBytes += stored!;
    }
    return { free: new ChunkSet(free), freeFigures, pinnedFigures };
  }

  /** One step over all packed files: those with content in these packs. @param after inode to go on behind; 0: from the start */
  filesIn(packs: ChunkSet, after: number, limit: number): PackedFiles {
    const ids = idsOf(packs);
    const rows = this.#files.all(after, limit) as (readonly number[])[];
    const inos = rows.filter(([, chunkId]) => ids.has(chunkId!)).map(([ino]) => ino!);
    return { inos, next: rows.length < limit ? undefined : rows.at(-1)?.[0] };
  }
}

function noPacks(): PackFigures {
  return { packs: 0, usedBytes: 0, deadBytes: 0, storedBytes: 0 };
}
