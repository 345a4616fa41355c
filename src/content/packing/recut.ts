import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import pLimit from 'p-limit';
import type { ChunkExtent, Extent } from '../../catalog/extent.js';
import { CHUNKER_FIXED, type Inode } from '../../catalog/inode.js';
import { cutterFor } from '../../chunk/chunker-choice.js';
import { sameDigest } from '../../core/digest.js';
import type { Cut, Cutter } from '../../native/chunker.js';
import { Draft } from '../../native/draft.js';
import { LoadedRanges } from './loaded-ranges.js';
import { swapOf } from './pack-files.js';
import type { PackingParts } from './packing-parts.js';

/** Old bytes read at a time while the new cuts are brought back to the old ones. */
const STEP_BYTES = 4 * 1024 * 1024;
/** Bytes that one pass cuts anew at most; a longer stretch takes several. */
const PASS_BYTES = 32 * 1024 * 1024;

/** Chunks stored at a time: fewer than a mount has threads, so that what others write and read goes on beside it. */
const STORED_AT_ONCE = availableParallelism();

/** Which of a file's extents are to be cut anew. */
export interface RecutWish {
  /** Where to begin looking, bytes; default: 0. */
  readonly from?: number;
  /** Only what lies in this segment of the journal or an older one; default: all that no index can list. */
  readonly upToSegment?: number | undefined;
}

/**
 * Cuts the first stretch of a large file that no index can list as it is into chunks: bytes in the journal, or a ragged
 * piece of a chunk. From the start of the chunk it touches until the old cuts fall in again (design §2). The file may be
 * written to meanwhile: chunks whose bytes were are left for the next time, all others take their place.
 * @returns where to look on for more; undefined where there was nothing to cut
 */
export async function recutFile(
  parts: PackingParts,
  inode: Readonly<Inode>,
  wish: RecutWish = {},
): Promise<number | undefined> {
  const { from = 0, upToSegment } = wish;
  const file = { ...inode };
  const isWanted = (extent: Extent) =>
    upToSegment === undefined ? isUnfit(extent, file.size) : extent.kind === 'journal' && extent.segment <= upToSegment;
  const dirty = await firstWanted(parts.tree.extents.all(file.ino, from), isWanted);
  if (dirty === undefined) return undefined;
  const draft = new Draft();
  const loaded = new LoadedRanges(parts, file.ino, draft);
  const stored: ChunkExtent[] = [];
  try {
    const { start, cuts, end } = await cutAnew(parts, file, dirty, { draft, loaded, isWanted });
    await storeCuts(parts, draft, start, cuts, stored);
    swapUnchanged(parts, file, loaded, stored);
    return end;
  } finally {
    // Those that took their place are gone from the list.
    for (const { digest } of stored) parts.sink.release(digest);
    draft.dispose();
  }
}

/** Stores the chunks side by side, and adds what is stored to `stored`, in the file's order, also where it throws. */
async function storeCuts(
  parts: PackingParts,
  draft: Draft,
  start: number,
  cuts: readonly Cut[],
  stored: ChunkExtent[],
): Promise<void> {
  const limit = pLimit(STORED_AT_ONCE);
  let end = start;
  const storing = cuts.map(({ length, digest }) => {
    const from = end;
    end += length;
    return limit(() => parts.sink.store(draft, from, from + length, digest));
  });
  const results = await Promise.allSettled(storing);
  for (const result of results) if (result.status === 'fulfilled') stored.push(result.value);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** Swaps what was not written to meanwhile, in as few changes as that takes, and takes it out of `stored`. */
function swapUnchanged(parts: PackingParts, file: Readonly<Inode>, loaded: LoadedRanges, stored: ChunkExtent[]): void {
  for (const run of unchangedRuns(parts, loaded, stored)) {
    const now = parts.tree.inodes === undefined ? file : parts.tree.inodes.find(file.ino);
    if (now?.size !== file.size) return;
    const [first, last] = [run[0] as ChunkExtent, run.at(-1) as ChunkExtent];
    // The run itself is part of the change, which a snapshot job keeps for later.
    if (!parts.log.make(swapOf(now, first.offset, last.offset + last.length, run))) return;
    for (const chunk of run) {
      parts.sink.named(chunk.digest);
      stored.splice(stored.indexOf(chunk), 1);
    }
  }
}

/** The longest runs of chunks whose bytes are still in the places they were read from; in a picture all of them. */
function unchangedRuns(
  parts: PackingParts,
  loaded: LoadedRanges,
  chunks: readonly ChunkExtent[],
): readonly ChunkExtent[][] {
  if (parts.tree.inodes === undefined) return chunks.length > 0 ? [[...chunks]] : [];
  const runs: ChunkExtent[][] = [[]];
  for (const chunk of chunks) {
    if (loaded.unchanged(chunk.offset, chunk.offset + chunk.length)) runs.at(-1)?.push(chunk);
    else runs.push([]);
  }
  return runs.filter((run) => run.length > 0);
}

interface NewCuts {
  readonly start: number;
  readonly end: number;
  readonly cuts: Cut[];
}

/** Where bytes to be cut are brought, and which extents ask for it. */
interface Stage {
  readonly draft: Draft;
  readonly loaded: LoadedRanges;
  readonly isWanted: (extent: Extent) => boolean;
}

/** Loads what is to be cut anew into the draft and cuts it. */
async function cutAnew(parts: PackingParts, file: Readonly<Inode>, dirty: Extent, stage: Stage): Promise<NewCuts> {
  const cutter = cutterFor(file.chunker === CHUNKER_FIXED ? 'fixed' : 'dynamic');
  if (cutter.kind === 'fixed') return cutCells(parts, file, dirty.offset, cutter, stage);
  const start = startOfCut(parts, file, dirty.offset);
  return { start, ...(await cutUntilAligned(parts, file, start, dirty, cutter, stage)) };
}

/** Cuts at multiples of the chunk size, counted from the file's start, and at holes: images share chunks at any offset. */
async function cutCells(
  parts: PackingParts,
  file: Readonly<Inode>,
  dirtyStart: number,
  cutter: Cutter & { kind: 'fixed' },
  { draft, loaded, isWanted }: Stage,
): Promise<NewCuts> {
  const cuts: Cut[] = [];
  let { start, end } = cellAround(parts, file, dirtyStart, cutter.chunkBytes);
  const first = start;
  for (;;) {
    await loaded.load(start, end);
    cuts.push(...(await draft.cut(start, end, cutter, true)));
    const next = parts.tree.extents.overlapping(file.ino, end, end + 1)[0];
    if (next === undefined || !isWanted(next) || end - first >= PASS_BYTES) {
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
async function firstWanted(
  extents: Iterable<Extent>,
  isWanted: (extent: Extent) => boolean,
): Promise<Extent | undefined> {
  let seen = 0;
  for (const extent of extents) {
    if (isWanted(extent)) return extent;
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
  for (const extent of parts.tree.extents.all(inode.ino, offset)) {
    if (extent.offset >= offset + WINDOW_BYTES) return false;
    if (extent.kind === 'chunk') return true;
  }
  return false;
}

/** Loads and cuts until a cut behind the dirty bytes falls on an old chunk's start, a hole, or the file's end. */
async function cutUntilAligned(
  parts: PackingParts,
  inode: Readonly<Inode>,
  start: number,
  dirty: Extent,
  cutter: Cutter,
  { draft, loaded }: Stage,
): Promise<{ cuts: Cut[]; end: number }> {
  const dirtyEnd = Math.min(endOfDirty(parts, inode, dirty), start + PASS_BYTES);
  let reached = start;
  for (;;) {
    const next = endOfData(parts, inode, reached, Math.max(dirtyEnd, reached + STEP_BYTES));
    if (next.end > reached) await loaded.load(reached, next.end);
    reached = Math.max(reached, next.end);
    const cuts = await draft.cut(start, reached, cutter, next.final);
    if (next.final) return { cuts, end: reached };
    const aligned = alignedCuts(parts, inode, start, dirtyEnd, cuts);
    if (aligned !== undefined) return aligned;
    if (reached - start > PASS_BYTES) return upTo(start, cuts);
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
