import type { KnownChunk, ListedChunk } from '../catalog/chunks.js';
import type { ChunkTotals } from '../catalog/counters.js';
import type { ObjectTotals } from '../catalog/objects.js';
import type { Digest } from '../core/digest.js';
import type { StoredObject } from '../core/stored-object.js';
import type { BuiltIndex } from '../index/dynamic-index.js';

/** Where the index of a store is kept: with the process, or in the datastore's catalog. */
export type IndexKind = 'memory' | 'sqlite';

/** What is known of chunks and objects. Everything is answered at once, and at most 1,000 rows at a time. */
export interface StoreIndex {
  readonly kind: IndexKind;
  findChunk(digest: Digest): KnownChunk | undefined;
  /** Chunks of all states behind a digest (an empty one: from the start), ascending. */
  listChunks(after: Digest, limit: number): ListedChunk[];
  /** Of chunks that are present; at hand. */
  chunkTotals(): Readonly<ChunkTotals>;
  /** Deleted or not. */
  findObject(id: string): StoredObject | undefined;
  /** Objects that are there, their ids from these bytes on, in the order of bytes. */
  listObjects(from: Uint8Array, limit: number): StoredObject[];
  objectTotals(): ObjectTotals;
}

/** A chunk that was written. Lengths in bytes. */
export interface WrittenChunk {
  readonly digest: Digest;
  readonly length: number;
  readonly stored: number;
}

/** What one put or deletion changes. */
export interface ObjectChange {
  /** The object from now on, also where it is deleted. */
  readonly object: StoredObject;
  /** Its index file; absent where it has none. */
  readonly index?: BuiltIndex;
  /** What it had for its index file before. */
  readonly replaced: string | undefined;
}

/** The index as its one writer has it. */
export interface WritableIndex extends StoreIndex {
  /** @throws {CairnError} `read-only` where the store takes no changes any more */
  requireWorking(): void;
  /** Chunks that are durable are present from now on. */
  recordChunks(chunks: readonly WrittenChunk[]): Promise<void>;
  recordObject(change: ObjectChange): Promise<void>;
  /** The chunk counts as absent, whatever is on disk; false where nothing ever named it. */
  forgetChunk(digest: Digest): boolean;
  /** What was recorded before the call survives a power cut once it resolves. */
  commit(): Promise<void>;
}
