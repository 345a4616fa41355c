import type { LRUCache } from 'lru-cache';
import type { ChunkStore } from '../../chunkstore/chunk-store.js';
import { digestHex } from '../../core/digest.js';
import { CairnError } from '../../core/errors.js';
import type { ChunkIndex } from '../../index/chunk-index.js';
import type { Awaitable } from '../api.js';

/** Plain bytes of metadata chunks, by digest in hex; shared by all snapshots, bounded by bytes. */
export type MetadataCache = LRUCache<string, Uint8Array>;

/** The bytes of a metadata stream, at once where their chunks are in the cache. */
export class ChunkStream {
  readonly #index: ChunkIndex;
  readonly #chunks: Pick<ChunkStore, 'read'>;
  readonly #cache: MetadataCache;
  /** The chunk read last: most reads fall into it. */
  #last: { readonly start: number; readonly end: number; readonly bytes: Uint8Array } | undefined;
  readonly #loading = new Map<number, Promise<Uint8Array>>();

  constructor(index: ChunkIndex, chunks: Pick<ChunkStore, 'read'>, cache: MetadataCache) {
    this.#index = index;
    this.#chunks = chunks;
    this.#cache = cache;
  }

  get size(): number {
    return this.#index.contentLength;
  }

  /** The bytes [offset, offset + length), which lie in the stream; not to be written to. */
  read(offset: number, length: number): Awaitable<Uint8Array> {
    const last = this.#last;
    if (last !== undefined && offset >= last.start && offset + length <= last.end) {
      return last.bytes.subarray(offset - last.start, offset - last.start + length);
    }
    if (length === 0) return new Uint8Array(0);
    const first = this.#index.chunkAt(offset);
    const bytes = this.#chunk(first);
    if (offset + length <= this.#index.end(first)) {
      if (bytes instanceof Promise) return bytes.then((loaded) => this.#slice(first, loaded, offset, length));
      return this.#slice(first, bytes, offset, length);
    }
    return this.#gather(first, offset, length);
  }

  #slice(position: number, bytes: Uint8Array, offset: number, length: number): Uint8Array {
    const start = this.#index.start(position);
    this.#last = { start, end: this.#index.end(position), bytes };
    return bytes.subarray(offset - start, offset - start + length);
  }

  /** Bytes that lie in several chunks. */
  #gather(first: number, offset: number, length: number): Awaitable<Uint8Array> {
    const parts: Awaitable<Uint8Array>[] = [];
    for (let i = first; i < this.#index.count && this.#index.start(i) < offset + length; i += 1)
      parts.push(this.#chunk(i));
    const join = (chunks: readonly Uint8Array[]) =>
      Buffer.concat(
        chunks.map((bytes, i) => {
          const start = this.#index.start(first + i);
          return bytes.subarray(Math.max(0, offset - start), offset + length - start);
        }),
      );
    const ready = parts.filter((part) => !(part instanceof Promise)) as Uint8Array[];
    return ready.length === parts.length ? join(ready) : Promise.all(parts).then(join);
  }

  #chunk(position: number): Awaitable<Uint8Array> {
    const digest = this.#index.digest(position);
    return this.#cache.get(digestHex(digest)) ?? this.#load(position);
  }

  #load(position: number): Promise<Uint8Array> {
    const running = this.#loading.get(position);
    if (running !== undefined) return running;
    const digest = this.#index.digest(position);
    const load = this.#chunks
      .read(digest)
      .then((bytes) => {
        if (bytes.length !== this.#index.end(position) - this.#index.start(position)) {
          throw new CairnError('corrupt', `Chunk ${digestHex(digest)} is not as long as its index says`);
        }
        this.#cache.set(digestHex(digest), bytes);
        return bytes;
      })
      .finally(() => this.#loading.delete(position));
    this.#loading.set(position, load);
    return load;
  }
}
