/**
 * One object store: bytes under a name. A name is a relative path of components that are safe everywhere
 * (see `checkName`). All methods may run at the same time, also for one name.
 *
 * Errors are CairnErrors. Absence is said only when it is proven: a name that cannot be looked at is an
 * error, not absent, and a folder that cannot be listed is an error, not empty.
 */
export interface Backend {
  /**
   * Puts `bytes` under `name`, in place of what was there: readers see the old bytes or the new, never a
   * mix. The new bytes are durable after the next `sync`; old bytes that were durable stay so until the new
   * ones are. The caller leaves `bytes` alone until the promise settles.
   * @throws {CairnError} `no-space` where they do not fit; the name then means what it meant before
   */
  put(name: string, bytes: Uint8Array): Promise<void>;

  /**
   * All bytes under `name`; the buffer is the caller's.
   * @throws {CairnError} `not-found` where nothing is under the name
   */
  get(name: string): Promise<Buffer>;

  /**
   * The bytes at [offset, offset + length): fewer where the object ends earlier, none where it ends before `offset`.
   * @throws {CairnError} `not-found` where nothing is under the name, `invalid` for a range that is not one
   */
  getRange(name: string, offset: number, length: number): Promise<Buffer>;

  /** Length in bytes of what is under `name`, or undefined where nothing is. */
  size(name: string): Promise<number | undefined>;

  /** Like `size`, and sets the object's time of use to now, which keeps foreign collectors from it (pbs-format §7). */
  touch(name: string): Promise<number | undefined>;

  /** Removes what is under `name`; whether there was anything. */
  remove(name: string): Promise<boolean>;

  /**
   * The names below the folder `prefix` (empty: all), at any depth, in no order. What is put or removed
   * meanwhile may be listed or not; unfinished puts are not listed.
   */
  list(prefix: string): AsyncIterable<string>;

  /**
   * A barrier: what was put or removed before the call survives a power cut once the promise resolves.
   * After a failure nothing is known about what was put since the last one, so `sync` and `put` fail from then on.
   */
  sync(): Promise<void>;

  /** How much room there is, or undefined where the store has no limit it could tell. */
  figures(): Promise<BackendFigures | undefined>;
}

/** Room in a backend. `availableBytes` is what we may use of `freeBytes`; files are counted in inodes. */
export interface BackendFigures {
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly availableBytes: number;
  readonly totalFiles: number;
  readonly freeFiles: number;
}
