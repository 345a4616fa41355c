import { METADATA_CUTTER } from '../../chunk/limits.js';
import type { Digest } from '../../core/digest.js';
import { type BuiltIndex, DynamicIndexBuilder } from '../../index/dynamic-index.js';
import type { IndexStamp } from '../../index/index-header.js';
import { type Cut, scanChunks } from '../../native/chunker.js';

/** Brings plain bytes into the store under their digest; resolves when the chunk is there and held. */
export type StoreBytes = (digest: Digest, bytes: Uint8Array) => Promise<unknown>;

/** Bytes gathered before they are cut: a few chunks. */
const BATCH_BYTES = 2 * 1024 * 1024;

/**
 * A metadata stream on its way into chunks of 128 KiB on average. `write` takes bytes at once; `drain` is to be awaited
 * now and then, which bounds what waits in memory.
 */
export class StreamChunks {
  readonly #store: StoreBytes;
  readonly #index = new DynamicIndexBuilder();
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;

  constructor(store: StoreBytes) {
    this.#store = store;
  }

  /** Bytes written that are not in chunks yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Appends bytes, which are ours from now on. */
  write(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  /** Cuts and stores what waits, if it is enough to be worth it. */
  async drain(): Promise<void> {
    if (this.#waitingBytes >= BATCH_BYTES) await this.#cut(false);
  }

  /** Stores the rest and ends the stream; its index file. */
  async finish(stamp: IndexStamp): Promise<BuiltIndex> {
    await this.#cut(true);
    return this.#index.finish(stamp);
  }

  async #cut(final: boolean): Promise<void> {
    const bytes = Buffer.concat(this.#waiting);
    const cuts = await scanChunks(bytes, METADATA_CUTTER, final);
    let at = 0;
    const stores: Promise<unknown>[] = [];
    for (const cut of cuts) {
      stores.push(this.#append(cut, bytes.subarray(at, at + cut.length)));
      at += cut.length;
    }
    await Promise.all(stores);
    const rest = bytes.subarray(at);
    this.#waiting = rest.length === 0 ? [] : [rest];
    this.#waitingBytes = rest.length;
  }

  #append(cut: Cut, bytes: Uint8Array): Promise<unknown> {
    this.#index.append(cut.digest, cut.length);
    return this.#store(cut.digest, bytes);
  }
}
