import { CairnError } from '../core/errors.js';
import type { ContentChange } from './change.js';
import { checkedChunk } from './chunks.js';
import { checkedCount } from './connection.js';
import type { Extent } from './extent.js';
import type { ExtentList } from './extent-list.js';
import { isRegularFile } from './inode.js';
import type { InodeEntry } from './inodes.js';
import type { Tables } from './tables.js';

/**
 * Applies a change of content (change.ts says what it means).
 * @returns false where `ifVersion` does not fit: nothing was done
 * @throws {CairnError} where the change makes no sense: nothing was done either
 */
export function applyContent(tables: Tables, change: ContentChange): boolean {
  const isSwap = change.ifVersion !== undefined;
  const entry = tables.inodes.entry(change.ino);
  if (isSwap && entry?.inode.version !== change.ifVersion) return false;
  if (entry === undefined || !isRegularFile(entry.inode.mode)) {
    throw new CairnError('corrupt', `A change gives content to inode ${change.ino}, which is no file`);
  }
  checkExtents(change);
  const size = isSwap ? entry.inode.size : checkedCount(change.size, 'size');
  if (isSwap) checkSwap(tables, change, entry);
  const kept = withoutReplaced(tables, change, entry, size);
  const held = insertExtents(tables, change, kept, size);
  const { mtimeSec, mtimeNsec, ctimeSec, ctimeNsec } = isSwap ? entry.inode : change;
  const { storage, chunker } = change;
  const version = entry.inode.version + 1;
  const times = { mtimeSec, mtimeNsec, ctimeSec, ctimeNsec };
  tables.inodes.update(entry, { size, allocated: held.bytes, storage, chunker, version, ...times }, held);
  return true;
}

/** A swap gives bytes other places: one that would make a hole of data is a mistake of whoever made it. */
function checkSwap(tables: Tables, { ino, start, end, extents }: ContentChange, { inode, list }: InodeEntry): void {
  const isWhole = start === 0 && end >= inode.size;
  const before = isWhole ? inode.allocated : tables.extents.bytesWithin(list, start, end);
  const after = extents.reduce(
    (sum, { offset, length }) => sum + Math.max(0, Math.min(length, inode.size - offset)),
    0,
  );
  if (after < before) {
    const what = `[${start}, ${end}) of inode ${ino}, which has ${before} bytes there`;
    throw new CairnError('corrupt', `A change gives ${after} bytes other places in ${what}`);
  }
}

/** What stays of the old extents. */
function withoutReplaced(tables: Tables, change: ContentChange, entry: InodeEntry, size: number): ExtentList {
  const { inode, list, journalBytes } = entry;
  const staying = Math.min(inode.size, size);
  const nothingStays = staying === 0 || (change.start === 0 && change.end >= staying);
  if (nothingStays) {
    const isNeeded = list !== 0 || change.extents.length > 0;
    return { list: isNeeded ? tables.extents.emptied(list) : 0, bytes: 0, journalBytes: 0 };
  }
  const old = { list, bytes: inode.allocated, journalBytes };
  const cut = size < inode.size ? tables.extents.cutOff(old, size, inode.ino) : old;
  if (change.start >= change.end) return cut;
  const own = tables.extents.own(cut.list, inode.ino);
  const taken = tables.extents.clear(own, change.start, change.end);
  return { list: own, bytes: cut.bytes - taken.bytes, journalBytes: cut.journalBytes - taken.journalBytes };
}

/** Adds the new extents, as far as they lie before the end of the file. */
function insertExtents(tables: Tables, change: ContentChange, kept: ExtentList, size: number): ExtentList {
  const { list } = kept;
  let { bytes, journalBytes } = kept;
  for (const given of change.extents) {
    if (given.offset >= size) break;
    const extent = given.offset + given.length > size ? { ...given, length: size - given.offset } : given;
    const ref = extent.kind === 'chunk' ? tables.chunks.mention(extent) : extent.segment;
    tables.extents.insert(list, extent, ref);
    bytes += extent.length;
    if (extent.kind === 'journal') journalBytes += extent.length;
    else if (isPieceOf(change, extent, size)) tables.pieces.put(change.contentDigest!, extent, ref);
  }
  return { list, bytes, journalBytes };
}

/** Whether the extent is the whole content whose digest the change gives. */
function isPieceOf(change: ContentChange, extent: Extent, size: number): boolean {
  return change.contentDigest !== undefined && extent.offset === 0 && extent.length === size;
}

function checkExtents(change: ContentChange): void {
  checkedCount(change.start, 'start');
  checkedCount(change.end, 'end');
  let end = change.start;
  for (const extent of change.extents) {
    checkedCount(extent.offset, 'offset of an extent');
    checkedCount(extent.at, 'place of an extent');
    const next = checkedCount(extent.offset + extent.length, 'end of an extent');
    const inChunk = extent.kind !== 'chunk' || extent.at + extent.length <= extent.chunkLength;
    if (extent.kind === 'chunk') checkedChunk(extent.digest, extent.chunkLength, extent.storedLength);
    if (extent.offset < end || next <= extent.offset || next > change.end || !inChunk) {
      const where = `at ${extent.offset}, length ${extent.length}`;
      throw new CairnError('corrupt', `A change of inode ${change.ino} has an extent out of place: ${where}`);
    }
    end = next;
  }
}
