import { CairnError } from '../core/errors.js';
import type { CloneChange } from './change.js';
import { checkedCount } from './connection.js';
import type { ExtentList } from './extent-list.js';
import { isRegularFile } from './inode.js';
import type { InodeEntry } from './inodes.js';
import type { Tables } from './tables.js';

/**
 * Applies a clone (change.ts says what it means). The chunks it names have a row already: the source names them.
 * @throws {CairnError} where the change makes no sense: nothing was done
 */
export function applyClone(tables: Tables, change: CloneChange): void {
  const source = requireFile(tables, change.from);
  const target = requireFile(tables, change.ino);
  checkRange(change, source);
  const { storage, chunker, mtimeSec, mtimeNsec, ctimeSec, ctimeNsec } = change;
  const size = Math.max(target.inode.size, change.start + change.length);
  const version = target.inode.version + 1;
  const held = isWhole(change, source, target)
    ? shared(tables, source, target)
    : copied(tables, change, source, target);
  const times = { mtimeSec, mtimeNsec, ctimeSec, ctimeNsec };
  tables.inodes.update(target, { size, allocated: held.bytes, storage, chunker, version, ...times }, held);
}

function isWhole({ start, fromStart, length }: CloneChange, source: InodeEntry, target: InodeEntry): boolean {
  return start === 0 && fromStart === 0 && length === source.inode.size && target.inode.size <= length;
}

function shared(tables: Tables, source: InodeEntry, target: InodeEntry): ExtentList {
  // In this order: the file may use that very list already.
  if (source.list !== 0) tables.extents.share(source.list);
  tables.extents.release(target.list);
  return { list: source.list, bytes: source.inode.allocated, journalBytes: source.journalBytes };
}

function copied(tables: Tables, change: CloneChange, source: InodeEntry, target: InodeEntry): ExtentList {
  const { start, fromStart, length } = change;
  const pieces = tables.extents.pieces(source.list, fromStart, fromStart + length);
  const list = tables.extents.own(target.list, target.inode.ino);
  const taken = tables.extents.clear(list, start, start + length);
  const added = tables.extents.place(list, pieces, start - fromStart);
  return {
    list,
    bytes: target.inode.allocated - taken.bytes + added.bytes,
    journalBytes: target.journalBytes - taken.journalBytes + added.journalBytes,
  };
}

function requireFile(tables: Tables, ino: number): InodeEntry {
  const entry = tables.inodes.entry(ino);
  if (entry === undefined || !isRegularFile(entry.inode.mode)) {
    throw new CairnError('corrupt', `A change clones inode ${ino}, which is no file`);
  }
  return entry;
}

function checkRange({ ino, start, from, fromStart, length }: CloneChange, source: InodeEntry): void {
  checkedCount(start, 'start');
  checkedCount(fromStart, 'start of the source');
  checkedCount(start + length, 'end');
  const overlaps = ino === from && start < fromStart + length && fromStart < start + length;
  if (length <= 0 || fromStart + length > source.inode.size || overlaps) {
    const where = `${length} bytes at ${fromStart} of inode ${from} to ${start} of inode ${ino}`;
    throw new CairnError('corrupt', `A change clones a range that cannot be: ${where}`);
  }
}
