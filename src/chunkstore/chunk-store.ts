import { availableParallelism } from 'node:os';
import type { Backend } from '../backend/backend.js';
import { COMPRESSION_LEVEL, MAX_CHUNK_BYTES } from '../chunk/limits.js';
import { type Digest, digestHex } from '../core/digest.js';
import { CairnError, fromSystemError } from '../core/errors.js';
import { BLOB_HEADER_BYTES, encodeBlob } from '../native/blob.js';
import { cachedChunk } from '../native/chunk-cache.js';
import { decodeChunkFile, decodeFileIntoCache, decodeIntoCache } from '../native/chunk-decoding.js';
import { ChunkError } from './chunk-error.js';
import { EncodeSlots } from './encode-slots.js';
import { type ChunkGuards, processGuards, withLock } from './guards.js';
import { chunkName, type PrefixDigits } from './layout.js';
import { checkBlob, namingChunk, usingBlob, verifiedPlain } from './verified-blob.js';

const LOCAL_READ_AHEAD_BYTES = 8 * 1024 * 1024;

/** Where a chunk's bytes come from when it has to be written. */
export interface ChunkSource {
  /** Plain length in bytes, at most 16 MiB. */
  readonly length: number;
  /** The level of zstd its owner wants, 0 for none; absent: the store's choice. */
  readonly level?: number;
  /**
   * Writes the chunk's blob into `out`, which holds `length` + 12 bytes, compressed with `level`; resolves to the blob's length.
   */
  encode(out: Uint8Array, level: number): Promise<number>;
}

/** What a store has done since it was opened. */
export interface ChunkStoreCounters {
  /** Chunks read and decoded. */
  loads: number;
  /** Chunks encoded and written. */
  inserts: number;
  /** Chunks found present. */
  reuses: number;
  /** Plain bytes of the chunks written, and bytes of their blobs. */
  plainBytes: number;
  encodedBytes: number;
  /** Of the chunks written, those stored as they are: not to be compressed, or not smaller then. */
  uncompressed: number;
}

export interface ChunkStoreOptions {
  /** How many chunks are encoded and written at the same time, each in a buffer of up to 4 MiB; default: cores + 2. */
  readonly atOnce?: number;
  /** Default: the process's, with holds of this thread. */
  readonly guards?: ChunkGuards;
  /** Reads every chunk back that was written and verifies it before `insert` resolves. */
  readonly verifyNew?: boolean;
  /** With which level of zstd to compress at this moment; default: always `COMPRESSION_LEVEL`. */
  readonly level?: () => number;
}

/** Counts of a store that has done nothing yet. */
export function noCounters(): ChunkStoreCounters {
  return { loads: 0, inserts: 0, reuses: 0, plainBytes: 0, encodedBytes: 0, uncompressed: 0 };
}

/** What two stores have done together. */
export function addCounters(a: Readonly<ChunkStoreCounters>, b: Readonly<ChunkStoreCounters>): ChunkStoreCounters {
  return {
    loads: a.loads + b.loads,
    inserts: a.inserts + b.inserts,
    reuses: a.reuses + b.reuses,
    plainBytes: a.plainBytes + b.plainBytes,
    encodedBytes: a.encodedBytes + b.encodedBytes,
    uncompressed: a.uncompressed + b.uncompressed,
  };
}

/**
 * Chunks by digest, over one backend. All methods may run at the same time. A digest that is to be relied
 * on, because something will name it or reads it, is held meanwhile: a collector removes no held chunk.
 */
export class ChunkStore {
  /** Read by status and tests; only the store counts. */
  readonly counters: Readonly<ChunkStoreCounters>;
  readonly #counters = noCounters();
  readonly #backend: Backend;
  readonly #prefixDigits: PrefixDigits;
  readonly #slots: EncodeSlots;
  readonly #guards: ChunkGuards;
  readonly #verifyNew: boolean;
  readonly #level: () => number;
  #damaged: (error: ChunkError) => void = () => undefined;
  readonly #inserting = new Map<string, Promise<number>>();
  readonly #loading = new Map<string, Promise<void>>();

  constructor(backend: Backend, prefixDigits: PrefixDigits, options: ChunkStoreOptions = {}) {
    this.#backend = backend;
    this.#prefixDigits = prefixDigits;
    this.#slots = new EncodeSlots(options.atOnce ?? availableParallelism() + 2);
    this.#guards = options.guards ?? processGuards();
    this.#verifyNew = options.verifyNew ?? false;
    this.#level = options.level ?? (() => COMPRESSION_LEVEL);
    this.counters = this.#counters;
  }

  /** How far ahead of a reader in order to `load` what it will want, in plain bytes. */
  get readAheadBytes(): number {
    return this.#backend.readAheadBytes ?? LOCAL_READ_AHEAD_BYTES;
  }

  /** Whom to tell of chunks that `load` and `read` could not have; one listener. */
  onDamage(listener: (error: ChunkError) => void): void {
    this.#damaged = listener;
  }

  /** Keeps collectors from the chunk until `release`, which is to be called as often as `hold`. */
  hold(digest: Digest): void {
    this.#guards.hold(digest);
  }

  /** Ends one `hold`. */
  release(digest: Digest): void {
    this.#guards.release(digest);
  }

  /**
   * Uses a chunk again that is there: present with exactly the blob length that is known of it; it was touched then
   * (pbs-format §2.4) and need not be inserted. What the catalog does not know proves nothing after a crash and is
   * inserted instead. The caller holds the digest.
   * @param known the length of the chunk's blob as the catalog has it now, undefined where it is not known to be present;
   *   it is asked again while the chunk is locked, since a collector may have been faster
   * @returns length of the blob in bytes; undefined where the chunk has to be inserted
   */
  async reuse(digest: Digest, known: () => number | undefined): Promise<number | undefined> {
    if (known() === undefined) return undefined;
    return withLock(this.#guards, digest, async () => {
      const expected = known();
      if (expected === undefined || (await this.#backend.touch(this.#name(digest))) !== expected) return undefined;
      this.#counters.reuses += 1;
      return expected;
    });
  }

  /** Runs `work` with the chunk locked if it stands there with this blob length; whether it did. */
  whileStanding(digest: Digest, storedLength: number, work: () => void): Promise<boolean> {
    return withLock(this.#guards, digest, async () => {
      const stands = (await this.#backend.size(this.#name(digest))) === storedLength;
      if (stands) work();
      return stands;
    });
  }

  /**
   * Writes the chunk; durable after the next `sync`. One insert per digest is in flight: whoever comes
   * later shares its outcome and has its own source unused. Waits while too many inserts are under way.
   * The caller holds the digest and vouches that the source's bytes have it.
   * @returns length of the blob in bytes
   */
  insert(digest: Digest, source: ChunkSource): Promise<number> {
    return once(this.#inserting, digestHex(digest), () => this.#write(digest, source));
  }

  /** `insert` of bytes at hand, which the caller leaves alone until the promise settles. */
  insertBytes(digest: Digest, bytes: Uint8Array): Promise<number> {
    return this.insert(digest, { length: bytes.length, encode: (out, level) => encodeBlob(bytes, out, level) });
  }

  /**
   * As `insert`, of a blob that was made elsewhere and is put as it is, encrypted or not. The caller vouches that it is the
   * digest's (`checkBlob`), and leaves it alone until the promise settles.
   * @param plainLength length of the chunk in bytes
   */
  insertBlob(digest: Digest, blob: Uint8Array, plainLength: number): Promise<number> {
    return once(this.#inserting, digestHex(digest), async () => {
      await withLock(this.#guards, digest, () => this.#backend.put(this.#name(digest), blob));
      if (this.#verifyNew) await checkBlob(digest, await this.#backend.get(this.#name(digest)), plainLength);
      this.#count(plainLength, blob.length);
      return blob.length;
    });
  }

  /**
   * Brings the chunk into the chunk cache, verified; at once if it is there. One load per digest is in flight.
   * The cache may drop it again before the caller looks: then load once more.
   * @param plainLength what the chunk's plain length has to be, in bytes
   * @throws {ChunkError} where it is absent or corrupt
   */
  load(digest: Digest, plainLength?: number): Promise<void> {
    if (cachedChunk(digest)) return Promise.resolve();
    return once(this.#loading, digestHex(digest), () => this.#loadHeld(digest, plainLength));
  }

  /**
   * The chunk's plain bytes, verified, past the cache; the buffer is the caller's.
   * @throws {ChunkError} where it is absent or corrupt
   */
  async read(digest: Digest): Promise<Buffer> {
    this.#counters.loads += 1;
    return this.#telling(() =>
      this.#decoded(
        digest,
        (path) => decodeChunkFile({ digest, maxPlainBytes: MAX_CHUNK_BYTES }, path),
        (blob) => verifiedPlain(digest, blob),
      ),
    );
  }

  /** A barrier: every chunk whose insert resolved before the call survives a power cut once this resolves. */
  sync(): Promise<void> {
    return this.#backend.sync();
  }

  /** Makes durable whatever chunks there are, also those a process left that was killed. */
  syncAll(): Promise<void> {
    return this.#backend.syncAll();
  }

  #name(digest: Digest): string {
    return chunkName(digest, this.#prefixDigits);
  }

  async #write(digest: Digest, source: ChunkSource): Promise<number> {
    if (source.length > MAX_CHUNK_BYTES) {
      throw new CairnError('too-large', `A chunk of ${source.length} bytes is beyond the limit of ${MAX_CHUNK_BYTES}`);
    }
    return this.#slots.use(source.length + BLOB_HEADER_BYTES, async (buffer) => {
      // Whoever else inserts the chunk while it is held writes the same bytes, so that what is known of its length holds.
      const level = this.#guards.agreeOnLevel(digest, source.level ?? this.#level());
      const length = await source.encode(buffer.subarray(0, source.length + BLOB_HEADER_BYTES), level);
      await withLock(this.#guards, digest, () => this.#backend.put(this.#name(digest), buffer.subarray(0, length)));
      if (this.#verifyNew) await verifiedPlain(digest, await this.#backend.get(this.#name(digest)));
      this.#count(source.length, length);
      return length;
    });
  }

  #count(plainBytes: number, encodedBytes: number): void {
    this.#counters.inserts += 1;
    this.#counters.plainBytes += plainBytes;
    this.#counters.encodedBytes += encodedBytes;
    if (encodedBytes === plainBytes + BLOB_HEADER_BYTES) this.#counters.uncompressed += 1;
  }

  async #loadHeld(digest: Digest, plainLength: number | undefined): Promise<void> {
    this.#counters.loads += 1;
    this.#guards.hold(digest);
    try {
      const expected = { digest, maxPlainBytes: MAX_CHUNK_BYTES, plainLength };
      await this.#telling(() =>
        this.#decoded(
          digest,
          (path) => decodeFileIntoCache(expected, path),
          (blob) => namingChunk(digest, () => decodeIntoCache(expected, blob)),
        ),
      );
    } finally {
      this.#guards.release(digest);
    }
  }

  /** A blob that is a local file is read where it is decoded, any other is fetched. */
  async #decoded<T>(
    digest: Digest,
    fromFile: (path: string) => Promise<T>,
    fromBlob: (blob: Buffer) => Promise<T>,
  ): Promise<T> {
    const name = this.#name(digest);
    const path = this.#backend.localFiles?.pathOf(name);
    try {
      if (path === undefined) return await usingBlob(this.#backend, name, fromBlob);
      return await asSystemError(
        namingChunk(digest, () => fromFile(path)),
        `read ${path}`,
      );
    } catch (error) {
      if (!(error instanceof CairnError) || error.kind !== 'not-found') throw error;
      throw new ChunkError(digest, 'absent', 'the store has no such chunk', { cause: error });
    }
  }

  async #telling<T>(load: () => Promise<T>): Promise<T> {
    try {
      return await load();
    } catch (error) {
      if (error instanceof ChunkError) this.#damaged(error);
      throw error;
    }
  }
}

async function asSystemError<T>(work: Promise<T>, doing: string): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw fromSystemError(error, doing);
  }
}

/** Runs `start` unless its like is in flight, whose promise is shared then. */
function once<T>(inFlight: Map<string, Promise<T>>, key: string, start: () => Promise<T>): Promise<T> {
  const running = inFlight.get(key);
  if (running !== undefined) return running;
  const promise = start().finally(() => inFlight.delete(key));
  inFlight.set(key, promise);
  return promise;
}
