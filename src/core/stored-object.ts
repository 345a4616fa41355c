import type { Digest } from './digest.js';

/** An object of the library (src/library), as its record on disk and the catalog have it. */
export interface StoredObject {
  readonly id: string;
  /** Its index file, relative to the datastore; undefined where the object is empty, or deleted. */
  readonly indexPath: string | undefined;
  /** Length of its content. */
  readonly bytes: number;
  /** Chunks its index file lists, repetitions included. */
  readonly chunks: number;
  /** MD5 of the content, 16 bytes. */
  readonly etag: Uint8Array;
  readonly sha256: Digest;
  /** How chunks that were new were stored: `none`, or `zstd:` and the level. */
  readonly compression: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** The same; undefined: it is there. */
  readonly deleted: number | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}
