import type { PayloadListing } from '../../archive/payload.js';
import { zeroChunkDigest, zeroChunkLengthsOf } from '../../chunk/zero-chunks.js';
import type { Digest } from '../../core/digest.js';
import { type BuiltIndex, DynamicIndexBuilder } from '../../index/dynamic-index.js';
import type { IndexStamp } from '../../index/index-header.js';
import { sha256Sync } from '../../native/hash.js';
import type { StoreBytes } from './stream-chunks.js';

/**
 * The index of a payload stream. The chunks it lists exist but for the 16-byte items (payload headers of large files,
 * the stream's markers), which are stored on the way.
 */
export class PayloadIndex implements PayloadListing {
  readonly #store: StoreBytes;
  readonly #index = new DynamicIndexBuilder();
  readonly #items = new Map<string, Promise<unknown>>();

  constructor(store: StoreBytes) {
    this.#store = store;
  }

  chunk(digest: Digest, length: number): void {
    this.#index.append(digest, length);
  }

  item(bytes: Uint8Array): void {
    // 16 bytes: hashing them elsewhere would cost more than doing it here.
    const digest = sha256Sync(bytes);
    this.#index.append(digest, bytes.length);
    const key = Buffer.from(bytes).toString('latin1');
    if (this.#items.has(key)) return;
    const stored = this.#store(digest, bytes);
    stored.catch(() => undefined);
    this.#items.set(key, stored);
  }

  zeros(length: number): void {
    for (const part of zeroChunkLengthsOf(length)) this.#index.append(zeroChunkDigest(part), part);
  }

  /** Waits for the items and ends the stream; its index file. */
  async finish(stamp: IndexStamp): Promise<BuiltIndex> {
    await Promise.all(this.#items.values());
    return this.#index.finish(stamp);
  }
}
