import type { ErrorKind } from '../../core/errors.js';
import type { GroupName } from '../../core/group.js';
import type { StoredObject } from '../../core/stored-object.js';
import type { PublishedIndex, PublishedSnapshot, WrittenChunk } from '../create/job-protocol.js';

/** What is copied, and how. */
export interface CopyScope {
  /** Real path of the datastore to copy from. */
  readonly source: string;
  /** Groups, snapshots and objects by name, such as `host/web1`, `host/web1/latest` or `objects/ID`; empty: all. */
  readonly select: readonly string[];
  /** Bytes of chunks read a second; null: any number. */
  readonly bytesPerSecond: number | null;
  /** Nothing but manifests and index files is read, and nothing written. */
  readonly dryRun: boolean;
}

/** What a copy job is started with (its `workerData`). */
export interface CopyJobOptions extends CopyScope {
  /** The datastore's folder to copy into. */
  readonly store: string;
}

/** What became of a snapshot: `there`: the target has it already; `wanted`: a dry run would copy it. */
export type CopyState = 'copied' | 'there' | 'failed' | 'wanted';

/** A snapshot that was to be copied. */
export interface CopiedSnapshot {
  readonly group: string;
  /** The name of its folder. */
  readonly time: string;
  readonly state: CopyState;
  /** Why it failed. */
  readonly reason: string | null;
  /** Chunks that were copied, or would be; others it names were there. */
  readonly chunks: number;
  /** Their bytes: as they are stored; in a dry run their plain ones. */
  readonly bytes: number;
}

/** What became of objects: how many were copied, were there with the same content, would be copied, or failed. */
export interface CopiedObjects {
  readonly copied: number;
  readonly there: number;
  readonly wanted: number;
  readonly failed: number;
  /** Chunks that were copied, or would be, and their bytes, as with snapshots. */
  readonly chunks: number;
  readonly bytes: number;
  /** Those that failed, the first thousand. */
  readonly failures: readonly { readonly name: string; readonly reason: string }[];
}

/** What became of everything. */
export interface CopyOutcome {
  readonly snapshots: readonly CopiedSnapshot[];
  readonly objects: CopiedObjects;
}

/** An object that is on disk in the target, and its index file. */
export interface PublishedObject {
  readonly object: StoredObject;
  readonly index: PublishedIndex | null;
}

/** What waits to be published: a snapshot, or some objects. */
export type GatheredCopy =
  | { readonly type: 'snapshot'; readonly group: GroupName; readonly time: number }
  | { readonly type: 'objects' };

/** Job to mount worker. */
export type FromCopyJob =
  /** What it is at, and plain bytes of the chunks of that. */
  | {
      readonly type: 'progress';
      readonly what: string;
      readonly done: number;
      readonly total: number;
    }
  /** Chunks that are stored and durable: known from now on, they are not copied again. */
  | { readonly type: 'stored'; readonly chunks: readonly WrittenChunk[] }
  /** All chunks of what is next are stored and told of; it waits for `publish`. Null: there is none left. */
  | {
      readonly type: 'gathered';
      readonly next: GatheredCopy | null;
      /** Of everything; null before it is done. */
      readonly outcome: CopyOutcome | null;
    }
  /** It is on disk and durable; it waits for `next`. */
  | { readonly type: 'published'; readonly snapshot: PublishedSnapshot }
  | { readonly type: 'published-objects'; readonly objects: readonly PublishedObject[] }
  | { readonly type: 'failed'; readonly kind: ErrorKind; readonly message: string };

/** Mount worker to job. */
export type ToCopyJob =
  /** Holds of the chunks of what is next are of this scope (native/holds). */
  { readonly type: 'next'; readonly holds: number } | { readonly type: 'publish' };
