import { setImmediate } from 'node:timers/promises';
import type { ChunkExtent, Extent } from '../../catalog/extent.js';
import { CHUNKER_FIXED, type Inode } from '../../catalog/inode.js';
import { cutterFor } from '../../chunk/chunker-choice.js';
import { sameDigest } from '../../core/digest.js';
import type { Cut, Cutter } from '../../native/chunker.js';
import { Draft } from '../../native/draft.js';
import { loadRange } from './load.js';
import { swapOf } from './pack-files.js';
import type { PackingParts } from './packing-parts.js';

/** Old bytes read at a time while the new cuts are brought back to the old ones. */
const STEP_BYTES = 4 * 1024 * 1024;
/** Bytes that one pass cuts anew at most; a longer stretch takes several. */
const PASS_BYTES = 32 * 1024 * 1024;

/**
 * Cuts the first stretch of a large file that no index can list as it is into chunks: bytes in the journal, or a ragged
 * piece of a chunk. From the start of the chunk it touches until the old cuts fall in again (design §2). What changed
 * meanwhile is left for the next time.
 * @returns whether there may be more to cut
 */
export async function recutFile(parts: PackingParts, inode: Readonly<Inode>): Promise<boolean> {
  const dirty = await firstUnfitExtent(parts, inode);
  if (dirty === undefined) return false;
  const file = { ...inode };
  const draft = new Draft();
  const stored: ChunkExtent[] = [];
  let handedOver = false;
  try {
    const { start, cuts, end } = await cutAnew(parts, file, dirty, draft);
    let at = start;
    for (const cut of cuts) {
      stored.push(await parts.sink.store(draft, at, at + cut.length, cut.digest));
      at += cut.length;
    }
    handedOver = parts.log.make(swapOf(file, start, end, stored));
    return handedOver;
  } finally {
    // The list itself is part of the change by now, which a snapshot job keeps for later.
    for (const { digest } of stored) {
      if (handedOver) parts.sink.named(digest);
      else parts.sink.release(digest);
    }
    draft.dispose();
  }
}

interface NewCuts {
  readonly start: number;
  readonly end: number;
  readonly cuts: Cut[];
}

/** Loads what is to be cut anew into the draft and cuts it. */
async function cutAnew(parts: PackingParts, file: Readonly<Inode>, dirty: Extent, draft: Draft): Promise<NewCuts> {
  const cutter = cutterFor(file.chunker === CHUNKER_FIXED ? 'fixed' : 'dynamic');
  if (cutter.kind === 'fixed') return cutCells(parts, file, dirty.offset, cutter, draft);
  const start = startOfCut(parts, file, dirty.offset);
  return { start, ...(await cutUntilAligned(parts, file, start, dirty, cutter, draft)) };
}

/** Cuts at multiples of the chunk size, counted from the file's start, and at holes: images share chunks at any offset. */
async function cutCells(
  parts: PackingParts,
  file: Readonly<Inode>,
  dirtyStart: number,
  cutter: Cutter & { kind: 'fixed' },
  draft: Draft,
): Promise<NewCuts> {
  const cuts: Cut[] = [];
  let { start, end } = cellAround(parts, file, dirtyStart, cutter.chunkBytes);
  const first = start;
  for (;;) {
    await loadRange(parts, file.ino, start, end, { draft, shift: 0 });
    cuts.push(...(await draft.cut(start, end, cutter, true)));
    const next = parts.tree.extents.overlapping(file.ino, end, end + 1)[0];
    if (next === undefined || !isUnfit(next, file.size) || end - first >= PASS_BYTES) {
      return { start: first, end, cuts };
    }
    ({ start, end } = cellAround(parts, file, end, cutter.chunkBytes));
  }
}

/** The run of data around `at`, which is data, within its stretch of `chunkBytes`. */
function cellAround(
  parts: PackingParts,
  file: Readonly<Inode>,
  at: number,
  chunkBytes: number,
): { start: number; end: number } {
  const cellStart = Math.floor(at / chunkBytes) * chunkBytes;
  const cellEnd = Math.min(cellStart + chunkBytes, file.size);
  let start = at;
  let end = cellStart;
  for (const extent of parts.tree.extents.overlapping(file.ino, cellStart, cellEnd)) {
    const from = Math.max(extent.offset, cellStart);
    if (from > end && end > at) break;
    if (from > end || end === cellStart) start = from;
    end = Math.min(extent.offset + extent.length, cellEnd);
  }
  return { start, end };
}

/** Extents looked at between two turns of whatever else the thread does. */
const EXTENTS_PER_TURN = 1000;

/** Holes cost nothing here, however long they are. */
async function firstUnfitExtent(parts: PackingParts, inode: Readonly<Inode>): Promise<Extent | undefined> {
  let seen = 0;
  for (const extent of parts.tree.extents.all(inode.ino)) {
    if (isUnfit(extent, inode.size)) return extent;
    seen += 1;
    if (seen % EXTENTS_PER_TURN === 0) await setImmediate();
  }
  return undefined;
}

const WINDOW_BYTES = 256 * 1024 * 1024;

/** Whether no index can list the extent of a large file: it is in the journal, or ragged. */
export function isUnfit(extent: Extent, fileBytes: number): boolean {
  if (extent.kind === 'journal') return true;
  const endsFile = extent.offset + extent.length === fileBytes;
  return extent.at !== 0 || (extent.length !== extent.chunkLength && !endsFile);
}

/** Start of the chunk that holds the byte at or just before `offset`; a hole's end, or 0, where there is none. */
function startOfCut(parts: PackingParts, inode: Readonly<Inode>, offset: number): number {
  if (offset === 0) return 0;
  const before = parts.tree.extents.overlapping(inode.ino, offset - 1, offset)[0];
  if (before === undefined || before.kind === 'journal') return offset;
  const covers = parts.tree.extents.overlapping(inode.ino, offset, offset + 1)[0];
  const torn = covers?.kind === 'chunk' && sameDigest(covers.digest, before.digest);
  const whole = before.at === 0 && before.length === before.chunkLength;
  // A whole chunk that simply ends here keeps its cut unless the file only grew: then it was the last one.
  const grew = whole && !hasOldDataBehind(parts, inode, offset);
  return !whole || torn || grew ? before.offset : offset;
}

function hasOldDataBehind(parts: PackingParts, inode: Readonly<Inode>, offset: number): boolean {
  const extents = parts.tree.extents.overlapping(inode.ino, offset, Math.min(offset + WINDOW_BYTES, inode.size));
  return extents.some((extent) => extent.kind === 'chunk');
}

/** Loads and cuts until a cut behind the dirty bytes falls on an old chunk's start, a hole, or the file's end. */
async function cutUntilAligned(
  parts: PackingParts,
  inode: Readonly<Inode>,
  start: number,
  dirty: Extent,
  cutter: Cutter,
  draft: Draft,
): Promise<{ cuts: Cut[]; end: number }> {
  const dirtyEnd = Math.min(endOfDirty(parts, inode, dirty), start + PASS_BYTES);
  let loaded = start;
  for (;;) {
    const next = endOfData(parts, inode, loaded, Math.max(dirtyEnd, loaded + STEP_BYTES));
    if (next.end > loaded) await loadRange(parts, inode.ino, loaded, next.end, { draft, shift: 0 });
    loaded = Math.max(loaded, next.end);
    const cuts = await draft.cut(start, loaded, cutter, next.final);
    if (next.final) return { cuts, end: loaded };
    const aligned = alignedCuts(parts, inode, start, dirtyEnd, cuts);
    if (aligned !== undefined) return aligned;
    if (loaded - start > PASS_BYTES) return upTo(start, cuts);
  }
}

/** Where the run of unfit extents that starts with `first` ends. */
function endOfDirty(parts: PackingParts, inode: Readonly<Inode>, first: Extent): number {
  let end = first.offset + first.length;
  for (const extent of parts.tree.extents.overlapping(
    inode.ino,
    first.offset,
    Math.min(first.offset + PASS_BYTES, inode.size),
  )) {
    if (isUnfit(extent, inode.size) && extent.offset <= end) end = Math.max(end, extent.offset + extent.length);
  }
  return Math.min(end, inode.size);
}

/** How far data goes on from `from` without a hole, at most to `wanted`; final where a hole or the file's end comes. */
function endOfData(
  parts: PackingParts,
  inode: Readonly<Inode>,
  from: number,
  wanted: number,
): { end: number; final: boolean } {
  let end = from;
  for (const extent of parts.tree.extents.overlapping(inode.ino, from, Math.min(wanted, inode.size))) {
    if (extent.offset > end) return { end, final: true };
    end = Math.min(extent.offset + extent.length, inode.size);
  }
  return { end, final: end < wanted || end >= inode.size };
}

function alignedCuts(
  parts: PackingParts,
  inode: Readonly<Inode>,
  start: number,
  dirtyEnd: number,
  cuts: readonly Cut[],
): { cuts: Cut[]; end: number } | undefined {
  let at = start;
  for (const [index, cut] of cuts.entries()) {
    at += cut.length;
    if (at < dirtyEnd) continue;
    const old = parts.tree.extents.overlapping(inode.ino, at, at + 1)[0];
    if (old?.kind === 'chunk' && old.offset === at && old.at === 0) return { cuts: cuts.slice(0, index + 1), end: at };
  }
  return undefined;
}

function upTo(start: number, cuts: Cut[]): { cuts: Cut[]; end: number } {
  return { cuts, end: cuts.reduce((at, cut) => at + cut.length, start) };
}
