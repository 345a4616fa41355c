import type { ChunkExtent } from '../catalog/extent.js';
import type { ChunkStore } from '../chunkstore/chunk-store.js';
import { readPart } from '../chunkstore/read-part.js';
import { digestHex } from '../core/digest.js';

/** Chunks loaded at once have this many plain bytes together at most, or are one. */
const AT_ONCE_BYTES = 32 * 1024 * 1024;

/**
 * Bytes out of chunks, kept for one read until its pieces are handed on. Small pieces of many chunks may be parts of far
 * more than the cache holds: no more than `AT_ONCE_BYTES` of them are in memory at once for this.
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
    for (const batch of batches(extents)) await Promise.all(batch.map((extent) => this.#addOne(extent)));
  }

  async #addOne(extent: ChunkExtent): Promise<void> {
    const { digest, chunkLength, at, length } = extent;
    this.#bytes.set(keyOf(extent), await readPart(this.#chunks, digest, chunkLength, at, length));
  }
}

function keyOf({ digest, at, length }: ChunkExtent): string {
  return `${digestHex(digest)} ${at} ${length}`;
}

/** In the order they have in the file; a chunk counts once in a batch. */
function* batches(extents: readonly ChunkExtent[]): Generator<readonly ChunkExtent[]> {
  let batch: ChunkExtent[] = [];
  let bytes = 0;
  const counted = new Set<string>();
  for (const extent of extents) {
    const chunk = digestHex(extent.digest);
    const more = counted.has(chunk) ? 0 : extent.chunkLength;
    if (batch.length > 0 && bytes + more > AT_ONCE_BYTES) {
      yield batch;
      [batch, bytes] = [[], 0];
      counted.clear();
    }
    if (!counted.has(chunk)) bytes += extent.chunkLength;
    counted.add(chunk);
    batch.push(extent);
  }
  if (batch.length > 0) yield batch;
}
