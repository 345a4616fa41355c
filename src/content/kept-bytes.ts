import type { ChunkExtent } from '../catalog/extent.js';
import type { ChunkStore } from '../chunkstore/chunk-store.js';
import { readPart } from '../chunkstore/read-part.js';
import { digestHex } from '../core/digest.js';
import { extentBatches, type ReadAtOnce } from './extent-batches.js';

const AT_ONCE: ReadAtOnce = { pieces: Number.POSITIVE_INFINITY, bytes: 32 * 1024 * 1024 };

/**
 * Bytes out of chunks, kept for one read until its pieces are handed on. Small pieces of many chunks may be parts of far
 * more than the cache holds: no more than `AT_ONCE` of them are in memory at once for this.
 */
export class KeptBytes {
  readonly #chunks: Pick<ChunkStore, 'load' | 'read'>;
  readonly #bytes = new Map<string, Buffer>();

  constructor(chunks: Pick<ChunkStore, 'load' | 'read'>) {
    this.#chunks = chunks;
  }

  /** The bytes of an extent that was added; the same bytes, whichever file they are in. */
  of(extent: ChunkExtent): Buffer | undefined {
    return this.#bytes.get(keyOf(extent));
  }

  /** Loads the bytes of these extents. @throws {ChunkError} where a chunk is absent or corrupt */
  async add(extents: readonly ChunkExtent[]): Promise<void> {
    for (const batch of extentBatches(extents, AT_ONCE)) await Promise.all(batch.map((extent) => this.#addOne(extent)));
  }

  async #addOne(extent: ChunkExtent): Promise<void> {
    const { digest, chunkLength, at, length } = extent;
    this.#bytes.set(keyOf(extent), await readPart(this.#chunks, digest, chunkLength, at, length));
  }
}

function keyOf({ digest, at, length }: ChunkExtent): string {
  return `${digestHex(digest)} ${at} ${length}`;
}
