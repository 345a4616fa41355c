import { createHash } from 'node:crypto';
import { RoaringBitmap32 } from 'roaring-wasm';
import { isPortableSet } from './portable-set.js';

let reachIds: (set: ChunkSet) => RoaringBitmap32;

/**
 * A set of chunks, for algebra inside one catalog. It lives in WebAssembly memory until `dispose`; forgotten ones
 * are freed some time after they were collected.
 */
export class ChunkSet {
  readonly #ids: RoaringBitmap32;

  static {
    reachIds = (set) => set.#ids;
  }

  /** Takes the bitmap over. Only this room has any. */
  constructor(ids: RoaringBitmap32 = new RoaringBitmap32()) {
    this.#ids = ids;
  }

  /** How many chunks are in it. */
  get size(): number {
    return this.#ids.size;
  }

  /** Adds all of another set. */
  addAll(other: ChunkSet): void {
    this.#ids.orInPlace(other.#ids);
  }

  /** Takes all of another set out. */
  removeAll(other: ChunkSet): void {
    this.#ids.andNotInPlace(other.#ids);
  }

  /** What both have, as a set of its own. */
  common(other: ChunkSet): ChunkSet {
    return new ChunkSet(RoaringBitmap32.and(this.#ids, other.#ids));
  }

  /** Whether both hold the same chunks. */
  equals(other: ChunkSet): boolean {
    return this.#ids.isEqual(other.#ids);
  }

  clone(): ChunkSet {
    return new ChunkSet(this.#ids.clone());
  }

  /** Frees its memory; it may not be used after. Doing so twice does no harm. */
  dispose(): void {
    this.#ids.dispose();
  }
}

/** The ids in a set: for this room only, since ids never leave it. */
export function idsOf(set: ChunkSet): RoaringBitmap32 {
  return reachIds(set);
}

/** The bytes of a set as `index_files` keeps them, portable between machines and versions. */
export function encodeSet(set: ChunkSet): Uint8Array {
  const ids = idsOf(set);
  ids.runOptimize();
  return ids.serialize('portable');
}

/** The checksum that ties a set's bytes to the index file they belong to. */
export function setChecksum(header: Uint8Array, bytes: Uint8Array): Buffer {
  return createHash('sha256').update(header).update(bytes).digest();
}

/** The set, or undefined where the bytes are not those the checksum was made of, or were no set when it was made. */
export function decodeSet(header: Uint8Array, bytes: Uint8Array, checksum: Uint8Array): ChunkSet | undefined {
  if (!setChecksum(header, bytes).equals(checksum) || !isPortableSet(bytes)) return undefined;
  try {
    return new ChunkSet(RoaringBitmap32.deserialize(bytes, 'portable'));
  } catch {
    return undefined;
  }
}
