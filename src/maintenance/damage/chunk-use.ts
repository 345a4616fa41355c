import { type Digest, digestHex } from '../../core/digest.js';

/** A file whose bytes a chunk holds, by where it is found in a tree: the same path in another copy has the same bytes. */
export interface UsedFile {
  /** Path of its group, e.g. `host/web1`. */
  readonly group: string;
  /** Below `current/` or the snapshot's root. */
  readonly path: Buffer;
  /** Where in the file the stretch starts, bytes. */
  readonly offset: number;
}

/** A stretch [at, at + length) of a chunk's plain bytes that something needs. */
export interface ChunkUse {
  readonly digest: Digest;
  readonly at: number;
  readonly length: number;
  /** What people call that which needs it: a path in the mount. */
  readonly shown: string;
  /** The bytes themselves, where they follow from what they belong to (headers of payloads). */
  readonly bytes?: Uint8Array;
  readonly file?: UsedFile;
}

/** Chunks that are looked for. */
export class WantedChunks {
  readonly digests: readonly Digest[];
  readonly #keys: Set<string>;

  constructor(digests: readonly Digest[]) {
    this.digests = digests;
    this.#keys = new Set(digests.map(digestHex));
  }

  has(digest: Digest): boolean {
    return this.#keys.has(digestHex(digest));
  }
}
