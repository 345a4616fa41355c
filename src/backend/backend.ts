import type { FileBatch } from './file-batch.js';

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

  /** Backends on local files: what can be done by way of these. */
  readonly localFiles?: LocalFiles;

  /**
   * Stores that are far away: how many bytes a reader who goes through objects in order should have under way, so as not to
   * wait for each. Absent: what a local disk needs.
   */
  readonly readAheadBytes?: number;

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

  /**
   * Backends that keep objects in more than one place: the object from another place than `get` took it from, for when
   * those bytes proved damaged; these take their place.
   * @throws {CairnError} `not-found` where it is nowhere else
   */
  getElsewhere?(name: string): Promise<Buffer>;

  /** Length in bytes of what is under `name`, or undefined where nothing is. */
  size(name: string): Promise<number | undefined>;

  /** Like `size`, and sets the object's time of use to now, which keeps foreign collectors from it (pbs-format §7). */
  touch(name: string): Promise<number | undefined>;

  /**
   * Removes what is under the names; for each whether there was anything. Where it fails some may be gone: all of them
   * may be given again.
   */
  removeAll(names: readonly string[]): Promise<boolean[]>;

  /**
   * Gives objects other names, in place of what is there; for each whether there was anything. Each is seen under one of
   * its names at any time. Where it fails some may have moved: all may be given again.
   */
  moveAll(moves: readonly Move[]): Promise<boolean[]>;

  /**
   * The names below the folder `prefix` (empty: all), at any depth, in no order. What is put, moved or
   * removed meanwhile may be listed or not; unfinished puts are not listed.
   */
  list(prefix: string): AsyncIterable<string>;

  /**
   * A barrier: what was put, moved or removed before the call survives a power cut once the promise resolves.
   * After a failure nothing is known about what was put since the last one, so `sync` and `put` fail from then on.
   */
  sync(): Promise<void>;

  /** Like `sync`, for all that is in the store, whoever put it: for what a process left that was killed. */
  syncAll(): Promise<void>;

  /** How much room there is, or undefined where the store has no limit it could tell. */
  figures(): Promise<BackendFigures | undefined>;
}

/**
 * A backend's objects as local files: who uses them goes past `get` and `getElsewhere`, so that a decorator of these must not pass
 * them on.
 */
export interface LocalFiles {
  /**
   * Where the object lies, for native code that reads it without a copy in JavaScript's memory; that no file is there proves it absent.
   * @throws {CairnError} `invalid` for what is no name
   */
  pathOf(name: string): string;

  /** How to do a thing there in one go with other backends on local files. */
  together(batch: FileBatch): DoneTogether;
}

/** What can be done on several backends in one go. */
export interface DoneTogether {
  /** Whether it is proven that nothing is under the name. */
  lacks(name: string): Promise<boolean>;

  /**
   * `put` of several runs of bytes as one object where nothing is under the name, as far as known. Nobody else puts under
   * this name meanwhile.
   */
  put(name: string, parts: readonly Uint8Array[]): Promise<void>;
}

/** An object's name, and the one it gets. */
export interface Move {
  readonly from: string;
  readonly to: string;
}

/** Room in a backend. `availableBytes` is what we may use of `freeBytes`; files are counted in inodes. */
export interface BackendFigures {
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly availableBytes: number;
  readonly totalFiles: number;
  readonly freeFiles: number;
}
