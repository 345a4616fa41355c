import { createHash } from 'node:crypto';
import { DYNAMIC_CUTTER } from '../chunk/limits.js';
import { ChunkError } from '../chunkstore/chunk-error.js';
import { type Digest, digestHex } from '../core/digest.js';
import { DynamicIndexBuilder } from '../index/dynamic-index.js';
import { encodeBlob } from '../native/blob.js';
import { type Cut, scanChunks } from '../native/chunker.js';
import type { HoldScope } from '../native/holds.js';
import type { ObjectSource } from './api.js';
import type { ChosenCompression } from './compression.js';
import { requireGoingOn } from './interruption.js';
import { sourceWindows } from './source-windows.js';
import type { WrittenChunk } from './store-index.js';
import type { WriteParts } from './store-parts.js';

/** Windows of one object whose chunks are being stored, while the next one is cut and the one after it is read. */
const WINDOWS_AT_ONCE = 2;

/** How an object's content is stored. */
export interface ContentOptions {
  readonly compression: ChosenCompression;
  readonly verifyExisting: boolean;
  /** Chunks are held in it from before they are looked for; ended by the caller. */
  readonly holds: HoldScope;
  readonly signal: AbortSignal;
}

/** A content whose chunks are in the store, not yet durable. */
export interface StoredContent {
  readonly index: DynamicIndexBuilder;
  readonly etag: Buffer;
  readonly sha256: Buffer;
  /** Chunks that were not there. */
  readonly written: readonly WrittenChunk[];
}

/**
 * Cuts a source into chunks and stores those that are not there. Reading, cutting with hashing, compressing and writing go on
 * side by side; what is in memory is bounded.
 * @throws {CairnError} `no-space`, `interrupted`; what the source fails with
 */
export async function storeContent(
  parts: Pick<WriteParts, 'chunks' | 'index' | 'storing'>,
  source: ObjectSource,
  options: ContentOptions,
): Promise<StoredContent> {
  const [md5, sha256] = [createHash('md5'), createHash('sha256')];
  const index = new DynamicIndexBuilder();
  const writer = new ChunkWriter(parts, options);
  const storing = new Set<Promise<void>>();
  const windows = sourceWindows(source, options.signal, (bytes) => {
    md5.update(bytes);
    sha256.update(bytes);
  });
  let next = ahead(windows);
  let rest: Uint8Array = Buffer.alloc(0);
  try {
    for (let isLast = false; !isLast; ) {
      const window = await next;
      isLast = window.isLast;
      if (!isLast) next = ahead(windows);
      const data = rest.length === 0 ? window.bytes : Buffer.concat([rest, window.bytes]);
      const cuts = await scanChunks(data, DYNAMIC_CUTTER, isLast);
      const used = cuts.reduce((sum, { length }) => sum + length, 0);
      for (const { digest, length } of cuts) index.append(digest, length);
      // A copy, so that the window is let go of when its chunks are stored.
      rest = Buffer.from(data.subarray(used));
      const stored = writer.store(cuts, data).finally(() => storing.delete(stored));
      storing.add(stored);
      stored.catch(() => undefined);
      if (storing.size >= WINDOWS_AT_ONCE) await Promise.race(storing);
    }
    await Promise.all(storing);
    // Chunks may have been passed over.
    requireGoingOn(options.signal);
  } finally {
    await Promise.allSettled(storing);
    next.catch(() => undefined);
    void windows.return().catch(() => undefined);
  }
  return { index, etag: md5.digest(), sha256: sha256.digest(), written: writer.written };
}

/** Reads the next window; a failure waits until somebody asks. */
function ahead(windows: ReturnType<typeof sourceWindows>): Promise<{ bytes: Uint8Array; isLast: boolean }> {
  const next = windows.next().then(({ value }) => value ?? { bytes: Buffer.alloc(0), isLast: true });
  next.catch(() => undefined);
  return next;
}

/** Brings the chunks of one object into the store, each once. */
class ChunkWriter {
  readonly #parts: Pick<WriteParts, 'chunks' | 'index' | 'storing'>;
  readonly #options: ContentOptions;
  readonly #stored = new Map<string, Promise<void>>();
  readonly written: WrittenChunk[] = [];

  constructor(parts: Pick<WriteParts, 'chunks' | 'index' | 'storing'>, options: ContentOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** @param data the chunks' bytes one after the other; left alone until it resolves */
  async store(cuts: readonly Cut[], data: Uint8Array): Promise<void> {
    let at = 0;
    const chunks: Promise<void>[] = [];
    for (const { digest, length } of cuts) {
      chunks.push(this.#storeOnce(digest, data.subarray(at, at + length)));
      at += length;
    }
    for (const result of await Promise.allSettled(chunks)) if (result.status === 'rejected') throw result.reason;
  }

  #storeOnce(digest: Digest, bytes: Uint8Array): Promise<void> {
    const hex = digestHex(digest);
    let stored = this.#stored.get(hex);
    if (stored === undefined) {
      stored = this.#store(digest, bytes);
      this.#stored.set(hex, stored);
    }
    return stored;
  }

  async #store(digest: Digest, bytes: Uint8Array): Promise<void> {
    const { holds, signal, compression } = this.#options;
    const { chunks, storing } = this.#parts;
    holds.hold(digest);
    if (signal.aborted || (await this.#isUsable(digest, bytes.length))) return;
    const encode = (out: Uint8Array, level: number): Promise<number> => encodeBlob(bytes, out, level);
    const stored = await storing(() =>
      chunks.insert(digest, { length: bytes.length, level: compression.level, encode }),
    );
    this.written.push({ digest, length: bytes.length, stored });
  }

  /** Whether the chunk is there, with this plain length. */
  async #isUsable(digest: Digest, length: number): Promise<boolean> {
    const { chunks, index } = this.#parts;
    const stored = await chunks.reuse(digest, () => {
      const known = index.findChunk(digest);
      return known?.state === 'present' && known.length === length && known.stored > 0 ? known.stored : undefined;
    });
    if (stored === undefined || !this.#options.verifyExisting) return stored !== undefined;
    try {
      return (await chunks.read(digest)).length === length;
    } catch (error) {
      if (error instanceof ChunkError) return false;
      throw error;
    }
  }
}
