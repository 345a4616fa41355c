import { LRUCache } from 'lru-cache';
import type { ChunkStore } from '../../chunkstore/chunk-store.js';
import { digestHex } from '../../core/digest.js';
import type { ChunkIndex } from '../../index/chunk-index.js';

/** Plain bytes of chunks read last, by digest in hex; shared by the streams of all snapshots. */
export type StreamCache = LRUCache<string, Uint8Array>;

const CACHE_BYTES = 32 * 1024 * 1024;

/** A cache of at most 32 MiB. */
export function makeStreamCache(): StreamCache {
  return new LRUCache({ maxSize: CACHE_BYTES, sizeCalculation: ({ length }) => Math.max(1, length) });
}

/** Reads the stream an index file describes, chunk by verified chunk. */
export class IndexStream {
  readonly #index: ChunkIndex;
  readonly #chunks: Pick<ChunkStore, 'read'>;
  readonly #cache: StreamCache;

  constructor(index: ChunkIndex, chunks: Pick<ChunkStore, 'read'>, cache: StreamCache) {
    this.#index = index;
    this.#chunks = chunks;
    this.#cache = cache;
  }

  /** The bytes [offset, offset + length), which lie in the stream; not to be written to. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (let at = offset; at < offset + length; ) {
      const position = this.#index.chunkAt(at);
      const bytes = await this.chunk(position);
      const start = this.#index.start(position);
      const part = bytes.subarray(at - start, offset + length - start);
      parts.push(part);
      at += part.length;
    }
    return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
  }

  /** The whole chunk at a position of the index. */
  async chunk(position: number): Promise<Uint8Array> {
    const digest = this.#index.digest(position);
    const key = digestHex(digest);
    const cached = this.#cache.get(key);
    if (cached !== undefined) return cached;
    const bytes = await this.#chunks.read(Uint8Array.from(digest));
    this.#cache.set(key, bytes);
    return bytes;
  }
}
