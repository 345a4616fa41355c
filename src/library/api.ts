import type { Readable } from 'node:stream';
import type { Backend } from '../backend/backend.js';
import type { Compression } from './compression.js';
import type { IndexKind } from './store-index.js';

// What programs see of a store (README.md). Ids of chunks are SHA-256 digests of their plain bytes, 64 lowercase hex digits.
// Everything that can go wrong is a CairnError with a kind (../core/errors.ts); a source's own errors are passed on.

/** Gives a call up: it rejects with kind `interrupted`, and what it began leaves nothing behind. */
export interface Abortable {
  readonly signal?: AbortSignal | undefined;
}

/** Where an object's content comes from: bytes, or anything that gives them one after the other (a Readable, a web stream). */
export type ObjectSource = Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export interface PutOptions extends Abortable {
  /** Default: zstd, level 1. */
  readonly compression?: Compression | undefined;
  /** Kept with the object; at most 8 KiB together. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /**
   * Reads and verifies each chunk that is there already before it is used again. Without it a chunk is used again that
   * stands there with the length it should have; one that is missing or cut short is stored anew in any case.
   */
  readonly verifyExisting?: boolean | undefined;
}

/** An object. */
export interface ObjectInfo {
  readonly id: string;
  /** Bytes of its content. */
  readonly size: number;
  /** MD5 of the content, hex: an ETag as S3 has it for objects put in one go. */
  readonly etag: string;
  /** SHA-256 of the content, hex. */
  readonly sha256: string;
  /** How its new chunks were stored: `none`, or `zstd:` and the level. */
  readonly compression: string;
  readonly created: Date;
  /** Chunks it consists of, repetitions included. */
  readonly chunks: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What a put did. */
export interface PutResult extends ObjectInfo {
  /** Chunks and bytes of their files that were new. */
  readonly newChunks: number;
  readonly newBytes: number;
}

export interface ListOptions extends Abortable {
  /** Only objects whose ids begin with it. */
  readonly prefix?: string | undefined;
  /** Only objects behind this id. */
  readonly after?: string | undefined;
}

export interface ObjectOperations {
  /**
   * Stores an object under an id, in place of the one that has it: others see the old one or the new one, whole. Durable when
   * it resolves. Memory is bounded, whatever the object's size. Puts may run side by side; of those of one id the last to
   * end stays.
   * @param id 1 to 200 bytes of UTF-8
   * @throws {CairnError} `invalid` for an id, compression or metadata that cannot be; `unsupported`, `read-only`, `no-space`,
   *   `interrupted`; what the source fails with
   */
  putObject(id: string, source: ObjectSource, options?: PutOptions): Promise<PutResult>;
  /** @throws {CairnError} `not-found`, also where it was deleted */
  getObject(id: string): Promise<ObjectInfo>;
  /**
   * Its content, verified chunk by chunk; a few chunks are read ahead. While it is read it stays as it is, also when it is
   * replaced, or deleted and collected by this process.
   * @throws {CairnError} `not-found`; the stream fails with `corrupt` where a chunk is damaged or absent
   */
  getObjectData(id: string, options?: Abortable): Promise<Readable>;
  /**
   * [offset, offset + length) of its content: less where it ends before, nothing behind its end.
   * @throws {CairnError} `not-found`, `invalid` for what is no range
   */
  getObjectRange(id: string, offset: number, length: number, options?: Abortable): Promise<Readable>;
  /**
   * Marks it deleted, durably: from then on it is absent. Its space comes back with the next collection, as far as nothing
   * else uses it.
   * @throws {CairnError} `not-found`
   */
  deleteObject(id: string): Promise<void>;
  /** Objects in the order of their ids' bytes; one put or deleted meanwhile may be listed or not. */
  listObjects(options?: ListOptions): AsyncIterableIterator<ObjectInfo>;
}

/** What the index knows of a chunk. */
export interface ChunkInfo {
  readonly id: string;
  /** Plain bytes, and bytes of its file (0: not known). */
  readonly size: number;
  readonly storedSize: number;
  readonly state: 'present' | 'absent' | 'bad' | 'quarantined';
  /** When its content was last verified; undefined: never. */
  readonly verifiedAt: Date | undefined;
}

export interface WriteChunkResult {
  /** False where it was there already. */
  readonly stored: boolean;
  readonly storedSize: number;
}

/** What the store has, at hand: nothing is counted. Falls as well as it rises. */
export interface IndexStats {
  readonly kind: IndexKind;
  /** Chunks that are present, their plain bytes and the bytes of their files. */
  readonly chunks: number;
  readonly bytes: number;
  readonly storedBytes: number;
  /** Objects that are there, and bytes of their contents. */
  readonly objects: number;
  readonly objectBytes: number;
  /** What was done since the store was opened. */
  readonly operations: Readonly<Record<ChunkOperation, number>>;
  readonly compression: CompressionStats;
}

export type ChunkOperation = 'create' | 'deduplicate' | 'receive' | 'read' | 'delete';

export interface CompressionStats {
  /** Plain bytes of chunks written, and bytes of their files, since the store was opened. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Chunks written as they are. */
  readonly skipped: number;
}

export interface ChunkOperations {
  /** The chunk's plain bytes, verified. @throws {CairnError} `not-found` for one the index does not have, `corrupt` */
  getChunk(id: string, options?: Abortable): Promise<Readable>;
  /** The same at once, at most 16 MiB; the buffer is the caller's. */
  getChunkData(id: string, options?: Abortable): Promise<Buffer>;
  /** [offset, offset + length) of the chunk: less where it ends before, nothing behind its end. */
  getChunkRange(id: string, offset: number, length: number, options?: Abortable): Promise<Readable>;
  getChunkDataRange(id: string, offset: number, length: number, options?: Abortable): Promise<Buffer>;
  /** @throws {CairnError} `not-found` where nothing ever named it */
  getChunkInfo(id: string): Promise<ChunkInfo>;
  /**
   * Stores a chunk that comes with its id, after its bytes were found to have that digest; durable when it resolves. Does
   * nothing where it is there. The next collection takes it unless an object names it by then.
   * @param backendId which backend is to have it, or one of its pieces, as long as that takes anything; default: as the policy has it
   * @throws {CairnError} `corrupt` where the bytes have another digest, `too-large` beyond 16 MiB
   */
  writeChunk(id: string, bytes: Uint8Array, backendId?: string): Promise<WriteChunkResult>;
  /**
   * Takes the chunk out of the index alone: its file is left to the caller, or to the next collection that finds nothing that
   * names it. Objects that do are still read; a put stores it anew, and until then `cairn check` reports it.
   * @throws {CairnError} `not-found` for one that is not present
   */
  deleteChunk(id: string): Promise<void>;
  /**
   * Shows all chunks that are present, in the order of their ids, a page at a time; nothing is locked meanwhile, so `visit` may delete. Ends
   * with the first error of `visit`.
   */
  iterateChunks(visit: (chunk: ChunkInfo) => void | Promise<void>, options?: Abortable): Promise<void>;
  getIndexStats(): IndexStats;
}

/** One place where chunks are. */
export interface BackendInfo {
  readonly id: string;
  readonly type: 'fs' | 's3' | 'memory';
  /** A folder, or an `s3://` address. */
  readonly location: string;
  /** Its share among the others. */
  readonly weight: number;
  readonly readOnly: boolean;
  /** What it has is to go elsewhere. */
  readonly draining: boolean;
  /** Room that is left free. */
  readonly minFreeBytes: number;
  /** `ssd`, `hdd` or `nvme`, as its owner said; undefined: nobody did. */
  readonly mediaType: string | undefined;
  /** Why it cannot be used now; undefined: it can. */
  readonly failure: string | undefined;
  /** Undefined where the place has no limit it could tell, or does not answer. */
  readonly totalBytes: number | undefined;
  readonly availableBytes: number | undefined;
}

/** Where a chunk is: in how many pieces on which backends. */
export interface ECGroup {
  readonly chunkId: string;
  /** `single`, `mirror:N` or `ec:K+M`. */
  readonly scheme: string;
  /** Bytes of the chunk's file, of which these are pieces. */
  readonly size: number;
  /** Data pieces first. */
  readonly shards: readonly ECShard[];
  /** Indexes of pieces that were not found. */
  readonly missing: readonly number[];
  /** Of those, the backends they were put on, as far as is recorded, that answer without them. */
  readonly missingOn?: readonly { readonly index: number; readonly backendId: string }[];
  /** Whether what was found gives the chunk back. */
  readonly canRecover: boolean;
}

export interface ECShard {
  readonly index: number;
  readonly backendId: string;
  readonly isParity: boolean;
}

export interface BackendOperations {
  listBackends(): Promise<BackendInfo[]>;
  /** @throws {CairnError} `not-found` */
  getBackend(id: string): Promise<BackendInfo>;
  /**
   * The same one at each call: the preferred one, else the first of those that can be written to.
   * @throws {CairnError} `read-only` where there is none
   */
  getDefaultBackend(): Promise<BackendInfo>;
  /** Its bytes by name, past the index: whoever changes something there knows what he does. @throws {CairnError} `not-found` */
  getBackendStorage(id: string): Backend;
  /**
   * Where a chunk is, as the headers of its pieces say; contents are not read.
   * @throws {CairnError} `not-found`, `unreachable` where that cannot be told
   */
  getECGroup(chunkId: string): Promise<ECGroup>;
}

/** A backend that is to hold chunks; the rest is as usual: weight 1, writable, no room left free. */
export interface NewBackend {
  readonly id: string;
  readonly type: 'fs' | 's3';
  /** Of an fs backend: absolute path of its folder, which is absent, empty, or was this backend before. */
  readonly path?: string | undefined;
  /** Of an s3 backend; credentials come from the environment. */
  readonly s3?: {
    readonly bucket: string;
    readonly store: string;
    readonly endpoint?: string;
    readonly region?: string;
    readonly pathStyle?: boolean;
  };
  readonly weight?: number | undefined;
  readonly readOnly?: boolean | undefined;
  readonly minFreeBytes?: number | undefined;
  readonly media?: 'ssd' | 'hdd' | 'nvme' | undefined;
}

/** What bringing chunks into the form they should have did. Counts are of chunks. */
export interface MendResult {
  readonly chunks: number;
  readonly mended: number;
  /** Pieces are missing still: too few backends can be written. */
  readonly degraded: number;
  /** Too few pieces are left, or nothing at all. */
  readonly lost: number;
  /** Backends that do not answer may have what is missing. */
  readonly unknown: number;
  readonly problems: readonly string[];
  /** Nothing is left to be done. */
  readonly complete: boolean;
}

export interface BackendChanges {
  /**
   * Adds a backend, durably. A datastore that had one folder spreads over both when it is opened again.
   * @throws {CairnError} `invalid`, `exists`, `unreachable`
   */
  addBackend(backend: NewBackend): Promise<void>;
  /** Whether a backend is to be emptied: nothing new is put there, and `mendBackends` brings what it has elsewhere. */
  drainBackend(id: string, draining?: boolean): Promise<void>;
  /**
   * Removes a backend that is empty; `lost`: whatever it held will not come back.
   * @throws {CairnError} `not-found`, `not-empty` where it holds chunks, `invalid` where too few would be left
   */
  removeBackend(id: string, options?: { readonly lost?: boolean }): Promise<void>;
  /** `single`, `mirror:N` or `ec:K+M` from now on; `mendBackends` converts what is there. @throws {CairnError} `invalid` */
  setRedundancy(scheme: string): Promise<void>;
  /** Reads and checks every piece, and makes good what is missing, misplaced or of another redundancy. May be broken off. */
  mendBackends(options?: Abortable & { readonly dryRun?: boolean }): Promise<MendResult>;
}

export interface CollectOptions extends Abortable {
  /** How long removed chunks stay in quarantine, seconds; default: as the datastore is configured (a day). */
  readonly graceSeconds?: number | undefined;
  readonly dryRun?: boolean | undefined;
}

/** What a collection did; in a dry run, what it would do. Counts and bytes of chunk files. */
export interface CollectResult {
  /** Chunks that nothing uses, taken out of sight. */
  readonly removed: { readonly chunks: number; readonly bytes: number };
  /** Deleted for good. */
  readonly freed: { readonly chunks: number; readonly bytes: number };
}

/** A store that is open for reading. */
export interface ReadableLibrary
  extends Pick<ObjectOperations, 'getObject' | 'getObjectData' | 'getObjectRange' | 'listObjects'>,
    Omit<ChunkOperations, 'writeChunk' | 'deleteChunk'>,
    BackendOperations {
  /** Ends it; streams that are being read fail. Does nothing the second time. */
  close(): Promise<void>;
}

/** A store that is open for reading and writing. */
export interface Library extends ObjectOperations, ChunkOperations, BackendOperations, BackendChanges {
  /** Removes chunks that nothing uses. One runs at a time. @throws {CairnError} `busy` */
  collectGarbage(options?: CollectOptions): Promise<CollectResult>;
  /** Gives up what is under way, makes durable what was done, and ends it. Does nothing the second time. */
  close(): Promise<void>;
}
