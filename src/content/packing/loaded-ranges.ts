import type { Extent } from '../../catalog/extent.js';
import { sameDigest } from '../../core/digest.js';
import type { Draft } from '../../native/draft.js';
import type { ReadAtOnce } from '../extent-batches.js';
import { loadRange } from './load.js';
import type { PackingParts } from './packing-parts.js';

/** One file is cut at a time. */
const READ_AT_ONCE: ReadAtOnce = { pieces: 256, bytes: 8 * 1024 * 1024 };

/**
 * Stretches of one file in a draft, with the extents they were read from. No place in the journal and no chunk ever gets
 * other bytes: as long as a stretch has the same extents, what was read is what the file has, whatever else was written.
 */
export class LoadedRanges {
  readonly #parts: PackingParts;
  readonly #ino: number;
  readonly #draft: Draft;
  readonly #ranges: { readonly start: number; readonly end: number; readonly extents: readonly Extent[] }[] = [];

  constructor(parts: PackingParts, ino: number, draft: Draft) {
    this.#parts = parts;
    this.#ino = ino;
    this.#draft = draft;
  }

  /** Copies the file's stored bytes [start, end) into the draft. */
  async load(start: number, end: number): Promise<void> {
    this.#ranges.push({ start, end, extents: this.#extents(start, end) });
    await loadRange(this.#parts, this.#ino, start, end, { draft: this.#draft, shift: 0 }, READ_AT_ONCE);
  }

  /** Whether the bytes [start, end), all of them loaded, are still in the places they were read from. */
  unchanged(start: number, end: number): boolean {
    return this.#ranges.every((range) => {
      const from = Math.max(start, range.start);
      const to = Math.min(end, range.end);
      return from >= to || same(within(range.extents, from, to), within(this.#extents(from, to), from, to));
    });
  }

  #extents(start: number, end: number): Extent[] {
    return this.#parts.tree.extents.overlapping(this.#ino, start, end);
  }
}

/** The extents' parts in [start, end). */
function within(extents: readonly Extent[], start: number, end: number): Extent[] {
  return extents.flatMap((extent) => {
    const from = Math.max(extent.offset, start);
    const to = Math.min(extent.offset + extent.length, end);
    return from < to ? [{ ...extent, offset: from, length: to - from, at: extent.at + (from - extent.offset) }] : [];
  });
}

function same(a: readonly Extent[], b: readonly Extent[]): boolean {
  return a.length === b.length && a.every((extent, index) => samePlace(extent, b[index] as Extent));
}

function samePlace(a: Extent, b: Extent): boolean {
  if (a.offset !== b.offset || a.length !== b.length || a.at !== b.at) return false;
  if (a.kind === 'journal') return b.kind === 'journal' && a.segment === b.segment;
  return b.kind === 'chunk' && sameDigest(a.digest, b.digest);
}
