import type { ContentChange } from '../../catalog/change.js';
import type { Inode } from '../../catalog/inode.js';
import { storageOf } from '../../content/storage.js';
import { timesAfterWrite } from '../../content/write-times.js';
import { CairnError } from '../../core/errors.js';
import type { Caller, HandleId, RangeCopy } from '../api.js';
import type { SnapshotPieces } from '../snapshots/snapshot-nodes.js';
import { touchAtime } from './live-atime.js';
import { contentOf, dropPrivileges, MAX_FILE_BYTES, removeCapability, writableFile } from './live-files.js';
import { inodeOf, liveNode } from './live-nodes.js';
import type { LiveParts } from './live-parts.js';

const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
const FALLOC_FL_ZERO_RANGE = 16;
/** Extents that one step of making a hole takes out at most. */
const HOLE_EXTENTS = 1000;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

export async function allocate(
  parts: LiveParts,
  caller: Caller,
  handle: HandleId,
  offset: number,
  length: number,
  mode: number,
): Promise<void> {
  const file = writableFile(parts, handle);
  const keepSize = (mode & FALLOC_FL_KEEP_SIZE) !== 0;
  const punch = (mode & FALLOC_FL_PUNCH_HOLE) !== 0;
  const zero = (mode & FALLOC_FL_ZERO_RANGE) !== 0;
  if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) || (punch && zero)) {
    throw new CairnError('unsupported', `fallocate mode ${mode}`);
  }
  if (offset + length > MAX_FILE_BYTES) throw new CairnError('too-large', 'File would be larger than 64 TiB');
  const content = contentOf(parts, file);
  const end = offset + length;
  if (punch || zero) await makeHole(parts, file.ino, offset, end);
  if (!keepSize && end > content.size) await content.truncate(end, parts.clock.now());
  else if (!punch && !zero) await content.changeBeside(() => setChanged(parts, file.ino));
  dropPrivileges(parts, caller, file, caller.uid !== 0);
  removeCapability(parts, file.ino);
}

/** In steps of few enough rows, for fallocate(2) has no short outcome. */
async function makeHole(parts: LiveParts, ino: number, start: number, end: number): Promise<void> {
  const content = parts.contents.open(ino);
  try {
    for (let at = start; at < end; ) {
      at = await content.changeBeside(() => {
        const inode = inodeOf(parts, liveNode(ino));
        const last = Math.max(at, Math.min(end, inode.size));
        const reached = parts.tree.extents.reach(ino, at, last, HOLE_EXTENTS);
        parts.log.make(holeChange(parts, inode, at, reached));
        return reached < last ? reached : end;
      });
    }
  } finally {
    await parts.contents.close(ino);
  }
}

function holeChange(parts: LiveParts, inode: Readonly<Inode>, start: number, end: number): ContentChange {
  const { ino, size, chunker } = inode;
  const times = timesAfterWrite(inode, parts.clock.now());
  return { kind: 'content', ino, start, end, extents: [], size, storage: storageOf(size), chunker, ...times };
}

/** Room that is there or need not be kept changes no bytes, but the times, as a write would. */
function setChanged(parts: LiveParts, ino: number): void {
  const fields = timesAfterWrite(inodeOf(parts, liveNode(ino)), parts.clock.now());
  parts.log.make({ kind: 'attributes', ino, fields });
}

export async function seek(parts: LiveParts, handle: HandleId, offset: number, whence: number): Promise<number> {
  const file = parts.openFiles.get(handle);
  if (whence !== SEEK_DATA && whence !== SEEK_HOLE)
    throw new CairnError('invalid', `Cannot seek with whence ${whence}`);
  // What cannot be stored is given up and its writer hears of it; the search is about what there is.
  await parts.contents.get(file.ino)?.flush();
  const size = parts.tree.inodes.find(file.ino)?.size ?? 0;
  if (offset >= size) throw new CairnError('no-data-here', 'Offset is behind the end of the file');
  return whence === SEEK_DATA ? seekData(parts, file.ino, offset) : seekHole(parts, file.ino, offset, size);
}

function seekData(parts: LiveParts, ino: number, offset: number): number {
  const found = parts.tree.extents.nextData(ino, offset);
  if (found === undefined) throw new CairnError('no-data-here', 'No data behind this offset');
  return found;
}

function seekHole(parts: LiveParts, ino: number, offset: number, size: number): number {
  for (let at = offset; ; ) {
    const search = parts.tree.extents.nextHole(ino, at);
    if (search.found) return Math.min(search.offset, size);
    at = search.offset;
  }
}

/** copy_file_range(2) between live files: nothing is read or written, both name the same chunks afterwards. */
export async function copyRange(parts: LiveParts, caller: Caller, copy: RangeCopy): Promise<number> {
  const source = parts.openFiles.get(copy.from);
  const target = writableFile(parts, copy.to);
  const { fromOffset: fromStart, toOffset: toStart, length } = copy;
  if (source.atimeDue) touchAtime(parts, source);
  const copied = await parts.cloner.cloneRange({ from: source.ino, fromStart, to: target.ino, toStart, length });
  if (copied > 0) dropPrivileges(parts, caller, target, caller.uid !== 0);
  return copied;
}

/** The same from a file of a snapshot, of which `found` are the pieces. */
export async function placePieces(
  parts: LiveParts,
  caller: Caller,
  { to, toOffset }: RangeCopy,
  found: SnapshotPieces,
): Promise<number> {
  const target = writableFile(parts, to);
  const pieces = found.pieces.map((piece) => ({ ...piece, offset: piece.offset + toOffset }));
  const { length, isPacked } = found;
  if (length === 0) return 0;
  await parts.cloner.placePieces({ to: target.ino, start: toOffset, length, pieces, isPacked });
  dropPrivileges(parts, caller, target, caller.uid !== 0);
  return length;
}
