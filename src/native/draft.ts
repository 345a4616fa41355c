import type { Digest } from '../core/digest.js';
import type { ByteRange } from '../core/ranges.js';
import { addon } from './addon.js';
import { requireRoomForBlob } from './blob.js';
import { requireBytes, requireInteger, requireRange } from './check.js';
import { type Cut, type Cutter, cutterSizes, type RawCuts, toCuts } from './chunker.js';
import { noteHashed } from './hashed-bytes.js';

/** The addon's side of a draft, for other doors to hand to the addon. */
export interface DraftHandle {
  readonly draft: unique symbol;
}

const native = addon as {
  draftOpen(): DraftHandle;
  draftClose(draft: DraftHandle): void;
  draftWrite(draft: DraftHandle, offset: number, bytes: Uint8Array): void;
  draftDrop(draft: DraftHandle, start: number, end: number): void;
  draftCovered(draft: DraftHandle, start: number, end: number): number[];
  draftDirtyBytes(draft: DraftHandle): number;
  draftRead(draft: DraftHandle, start: number, end: number): Buffer;
  draftCut(
    draft: DraftHandle,
    start: number,
    end: number,
    min: number,
    average: number,
    max: number,
    final: boolean,
  ): Promise<RawCuts>;
  draftEncode(draft: DraftHandle, start: number, end: number, out: Uint8Array, level: number): Promise<number>;
  draftDigest(draft: DraftHandle, start: number, end: number): Promise<Buffer>;
  draftMemoryBytes(): number;
};

/** Bytes of memory all drafts of the process hold, jobs under way included; at most a few times their dirty bytes. */
export function draftMemoryBytes(): number {
  return native.draftMemoryBytes();
}

/**
 * The sparse dirty bytes of one inode, held by the addon. `cut`, `encode` and `digest` work on a pool thread on the
 * bytes where they lie: until they settle, the range given to them may not be written or dropped; `dispose` is safe.
 * Ranges given to them and to `read` must be wholly dirty, else they fail with a RangeError.
 */
export class Draft {
  /** For other doors only. */
  readonly handle: DraftHandle = native.draftOpen();
  #disposed = false;

  get dirtyBytes(): number {
    return native.draftDirtyBytes(this.handle);
  }

  /** Copies the bytes in. @throws {Error} `ENOMEM` */
  write(offset: number, bytes: Uint8Array): void {
    requireInteger(offset, 'offset');
    requireBytes(bytes, 'bytes');
    requireInteger(offset + bytes.length, 'end');
    native.draftWrite(this.handle, offset, bytes);
  }

  /** All dirty ranges, sorted, merged. */
  ranges(): ByteRange[] {
    return toRanges(native.draftCovered(this.handle, 0, Number.MAX_SAFE_INTEGER));
  }

  /** The dirty parts of [start, end), sorted, merged. */
  covered(start: number, end: number): ByteRange[] {
    requireRange(start, end);
    return toRanges(native.draftCovered(this.handle, start, end));
  }

  /** Forgets [start, end): what is dirty in it is dirty no more. */
  drop(start: number, end: number): void {
    requireRange(start, end);
    native.draftDrop(this.handle, start, end);
  }

  /** Forgets all from `size` on. */
  truncate(size: number): void {
    requireInteger(size, 'size');
    native.draftDrop(this.handle, size, Number.MAX_SAFE_INTEGER);
  }

  /** A copy of [offset, offset + length). */
  read(offset: number, length: number): Buffer {
    requireRange(offset, offset + length);
    return native.draftRead(this.handle, offset, offset + length);
  }

  /** Cuts complete chunks off the start of [start, end), as `scanChunks` does. */
  async cut(start: number, end: number, cutter: Cutter, final: boolean): Promise<Cut[]> {
    requireRange(start, end);
    noteHashed(end - start);
    return toCuts(await native.draftCut(this.handle, start, end, ...cutterSizes(cutter), final));
  }

  /** Writes [start, end) as a DataBlob into `out`, as `encodeBlob` does; gives the bytes used. */
  async encode(start: number, end: number, out: Uint8Array, level: number): Promise<number> {
    requireRange(start, end);
    requireRoomForBlob(end - start, out, level);
    return native.draftEncode(this.handle, start, end, out, level);
  }

  /** SHA-256 of [start, end). */
  async digest(start: number, end: number): Promise<Digest> {
    requireRange(start, end);
    noteHashed(end - start);
    return native.draftDigest(this.handle, start, end);
  }

  /** Gives the memory back, once jobs under way have ended. Any use but `dispose` afterwards throws. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    native.draftClose(this.handle);
  }
}

function toRanges(flat: number[]): ByteRange[] {
  const ranges: ByteRange[] = [];
  for (let at = 0; at < flat.length; at += 2) ranges.push({ start: flat[at] as number, end: flat[at + 1] as number });
  return ranges;
}
