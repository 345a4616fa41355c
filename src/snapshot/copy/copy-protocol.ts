import type { ErrorKind } from '../../core/errors.js';
import type { GroupName } from '../../core/group.js';
import type { PublishedSnapshot, WrittenChunk } from '../create/job-protocol.js';

/** What is copied, and how. */
export interface CopyScope {
  /** Real path of the datastore to copy from. */
  readonly source: string;
  /** Groups and snapshots by name, such as `host/web1` or `host/web1/latest`; empty: all. */
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

/** Job to mount worker. */
export type FromCopyJob =
  /** All of one snapshot: its number among `total` ones, and plain bytes of its chunks, each counted once. */
  | {
      readonly type: 'progress';
      readonly snapshot: string;
      readonly done: number;
      readonly total: number;
    }
  /** Chunks that are stored and durable: known from now on, they are not copied again. */
  | { readonly type: 'stored'; readonly chunks: readonly WrittenChunk[] }
  /** All chunks of the next snapshot are stored and told of; it waits for `publish`. Null: there is none left. */
  | {
      readonly type: 'gathered';
      readonly next: { readonly group: GroupName; readonly time: number } | null;
      readonly snapshots: readonly CopiedSnapshot[];
    }
  /** It is on disk and durable; it waits for `next`. */
  | { readonly type: 'published'; readonly snapshot: PublishedSnapshot }
  | { readonly type: 'failed'; readonly kind: ErrorKind; readonly message: string };

/** Mount worker to job. */
export type ToCopyJob =
  /** Holds of the next snapshot's chunks are of this scope (native/holds). */
  { readonly type: 'next'; readonly holds: number } | { readonly type: 'publish' };
