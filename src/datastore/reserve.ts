import { rmSync, statfsSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fromSystemError, isOutOfRoom } from '../core/errors.js';
import { fileSystemFigures, putFile, reserveFile } from '../native/files.js';

export const DEFAULT_RESERVE_BYTES = 64 * 1024 * 1024;
const FILE_MODE = 0o600;
/** With less room than this opening may fail: the catalog's log has to take what the journal brings back. */
const OPENING_BYTES = 24 * 1024 * 1024;
/** Part of the reserve's size for which there must be room beside it before it is made again: else it would go at once. */
const MARGIN = 1 / 4;
const BLOCK_BYTES = 512;
const PROBE_BYTES = 64 * 1024;

/**
 * Allocated space that is given up on a full disk, so that what frees room still works (design §3). Given up, the file
 * keeps its length but has no blocks: so the next process knows how much is to be set aside again.
 * Used by the datastore's one writer.
 */
export class Reserve {
  readonly #path: string;
  readonly bytes: number;
  #kept: boolean;

  private constructor(path: string, bytes: number, kept: boolean) {
    this.#path = path;
    this.bytes = bytes;
    this.#kept = kept;
  }

  /** Looks at what an earlier process left. @throws {CairnError} where it cannot be looked at */
  static open(path: string): Reserve {
    try {
      const found = statSync(path, { throwIfNoEntry: false });
      const bytes = found?.size || DEFAULT_RESERVE_BYTES;
      return new Reserve(path, bytes, found !== undefined && found.blocks * BLOCK_BYTES >= bytes);
    } catch (error) {
      throw fromSystemError(error, `look at the reserve ${path}`);
    }
  }

  get kept(): boolean {
    return this.#kept;
  }

  /** Room for which `remake` waits. */
  get wantedBytes(): number {
    return this.bytes * (1 + MARGIN);
  }

  /** Room on the disk that belongs to it and is not its own yet. */
  get missingBytes(): number {
    return this.#kept ? 0 : this.bytes;
  }

  /** Gives the space to whoever asks next; blocks. @returns whether there is more room now */
  giveUp(): boolean {
    if (!this.#kept) return false;
    try {
      truncateSync(this.#path, 0);
      this.#kept = false;
      truncateSync(this.#path, this.bytes);
    } catch {
      // On a disk that takes nothing at all it is of no use; a length that was lost is the usual one.
    }
    return !this.#kept;
  }

  /** Whether there is no room beside it for a little file, by quota or disk; blocks. */
  isCrowded(): boolean {
    const path = `${this.#path}.tmp`;
    try {
      writeFileSync(path, Buffer.alloc(PROBE_BYTES));
      return false;
    } catch (error) {
      return isOutOfRoom(fromSystemError(error, `write ${path}`));
    } finally {
      rmSync(path, { force: true });
    }
  }

  /**
   * Sets the space aside again, if there is ample room. @returns whether it is set aside now
   * @throws {CairnError} where there seems to be room and it cannot be had (`quota-exceeded`, `read-only`, `io` …)
   */
  async remake(): Promise<boolean> {
    if (this.#kept) return true;
    try {
      const { availableBytes } = await fileSystemFigures(dirname(this.#path));
      if (availableBytes < this.wantedBytes) return false;
      await allocateReserve(this.#path, this.bytes);
    } catch (error) {
      throw fromSystemError(error, `set the reserve ${this.#path} aside`);
    }
    this.#kept = true;
    return true;
  }
}

/** Where the disk is too full for a datastore to be opened, the reserve is what it is opened with; blocks. */
export function makeRoomToOpen(path: string): void {
  const { bavail, bsize } = statfsSync(dirname(path));
  if (bavail * bsize < OPENING_BYTES) Reserve.open(path).giveUp();
}

/**
 * Sets the space aside. Not every file system can allocate; there the reserve is written out.
 * @throws what the system says; nothing is set aside then, or a part
 */
export async function allocateReserve(path: string, bytes: number): Promise<void> {
  try {
    await reserveFile(path, bytes);
  } catch (error) {
    if (fromSystemError(error, '').kind !== 'unsupported') throw error;
    await putFile(path, `${path}.tmp`, Buffer.alloc(bytes, 0x2e), { mode: FILE_MODE, sync: false });
  }
}
