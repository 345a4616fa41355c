import type { Digest } from '../../core/digest.js';
import type { ChunkIndex } from '../../index/chunk-index.js';
import type { WantedChunks } from './chunk-use.js';

/** A chunk that is looked for, and where in a stream it stands: bytes, half-open. */
export interface BadRange {
  readonly start: number;
  readonly end: number;
  readonly digest: Digest;
}

/** Where in a stream the chunks are that are looked for. */
export class BadRanges {
  readonly all: readonly BadRange[];

  constructor(index: ChunkIndex, wanted: WantedChunks) {
    const found: BadRange[] = [];
    for (let i = 0; i < index.count; i += 1) {
      if (!wanted.has(index.digest(i))) continue;
      found.push({ start: index.start(i), end: index.end(i), digest: Uint8Array.from(index.digest(i)) });
    }
    this.all = found;
  }

  get any(): boolean {
    return this.all.length > 0;
  }

  /** Those that have bytes in [start, end). */
  within(start: number, end: number): readonly BadRange[] {
    const found: BadRange[] = [];
    for (let i = this.#firstEndingBehind(start); i < this.all.length; i += 1) {
      const range = this.all[i] as BadRange;
      if (range.start >= end) break;
      found.push(range);
    }
    return found;
  }

  #firstEndingBehind(start: number): number {
    let low = 0;
    let high = this.all.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.all[middle] as BadRange).end > start) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
