import { type Inode, isFolder } from '../../catalog/inode.js';
import type { ReadPiece, WriteBody } from '../../content/transfer.js';
import { CairnError } from '../../core/errors.js';
import type { Awaitable, Caller, HandleId, NodeId, OpenResult } from '../api.js';
import { isRegular, withoutPrivileges } from '../file-mode.js';
import { isAtimeDue, touchAtime } from './live-atime.js';
import { inodeOf } from './live-nodes.js';
import type { LiveParts } from './live-parts.js';
import type { OpenFile } from './open-files.js';

const O_ACCMODE = 3;
const O_WRONLY = 1;
const O_NOATIME = 0o1000000;
/** Largest file, bytes, four times ext4's: a snapshot lists holes in 16 MiB steps, 168 MB of index for such a file. */
export const MAX_FILE_BYTES = 64 * 2 ** 40;
export const CAPABILITY = Buffer.from('security.capability');

/** Opens a file. A truncating open is one more step for the caller: it sets the size. */
export function open(parts: LiveParts, node: NodeId, flags: number): OpenResult {
  const inode = inodeOf(parts, node);
  if (isFolder(inode.mode)) throw new CairnError('is-a-directory', 'A folder is not opened as a file');
  if (!isRegular(inode.mode)) throw new CairnError('unsupported', 'Only regular files are opened by the daemon');
  return openInode(parts, inode, flags);
}

/**
 * Opens an inode. Bytes go straight between a writer and the daemon (design §6) where no other handle is open and the
 * writer only writes, or has just made the file, so that nobody can have any of it cached; other handles then do the
 * same for as long as that writer is there.
 */
export function openInode(parts: LiveParts, inode: Readonly<Inode>, flags: number, made = false): OpenResult {
  const access = flags & O_ACCMODE;
  const writable = access !== 0;
  const alone = !parts.openFiles.isOpen(inode.ino);
  const ownWay = alone && writable && (made || access === O_WRONLY);
  const direct = ownWay || parts.openFiles.hasDirectWriter(inode.ino);
  if (writable) parts.contents.open(inode.ino);
  const movesAtime = (flags & O_NOATIME) === 0;
  const handle = parts.openFiles.add({
    ino: inode.ino,
    writable,
    direct,
    atimeDue: movesAtime,
    privilegesChecked: made,
    errors: parts.contents.errors.forNewHandle(inode.ino),
    nextRead: 0,
  });
  // Reads from the kernel's pages are not seen here: where atime has to move, the first one has to come to us.
  const keepCache = !writable && alone && !(movesAtime && isAtimeDue(parts, inode));
  return { handle, directIo: direct, keepCache, noFlush: !writable };
}

export function read(
  parts: LiveParts,
  handle: HandleId,
  offset: number,
  length: number,
): Awaitable<readonly ReadPiece[]> {
  const file = parts.openFiles.get(handle);
  if (file.atimeDue) touchAtime(parts, file);
  const pieces = parts.reader.read(file.ino, offset, length);
  if (file.nextRead === offset) parts.reader.ahead(file.ino, offset + length);
  file.nextRead = offset + length;
  return pieces;
}

export function write(
  parts: LiveParts,
  caller: Caller,
  handle: HandleId,
  offset: number,
  body: WriteBody,
  killPrivileges: boolean,
): Awaitable<void> {
  const file = writableFile(parts, handle);
  if (offset + body.length > MAX_FILE_BYTES) throw new CairnError('too-large', 'File would be larger than 64 TiB');
  parts.contents.errors.refuse(file.ino, file.errors);
  const written = contentOf(parts, file).write(offset, body, caller);
  if (written === undefined) dropPrivileges(parts, caller, file, killPrivileges);
  else return written.then(() => dropPrivileges(parts, caller, file, killPrivileges));
}

/** A write takes away set-id bits where the kernel says so, and file capabilities always. */
export function dropPrivileges(parts: LiveParts, caller: Caller, file: OpenFile, kill: boolean): void {
  if (!kill && file.privilegesChecked) return;
  const inode = parts.tree.inodes.find(file.ino);
  if (inode === undefined) return;
  const mode = kill ? withoutPrivileges(inode.mode, () => parts.isInGroup(caller, inode.gid)) : inode.mode;
  if (mode !== inode.mode) {
    parts.log.make({ kind: 'attributes', ino: file.ino, fields: { mode } });
    // After a write the kernel asks for size and times anew, and believes the mode.
    parts.changedUnasked(file.ino);
  }
  if (!file.privilegesChecked) removeCapability(parts, file.ino);
  file.privilegesChecked = true;
}

/** Takes file capabilities away, as every write, truncation and change of owner does. */
export function removeCapability(parts: LiveParts, ino: number): void {
  if (parts.tree.xattrs.find(ino, CAPABILITY) === undefined) return;
  const { seconds, nanoseconds } = parts.clock.now();
  parts.log.make({ kind: 'remove-xattr', ino, name: CAPABILITY, timeSec: seconds, timeNsec: nanoseconds });
}

export function flush(parts: LiveParts, handle: HandleId): Awaitable<void> {
  const file = parts.openFiles.get(handle);
  if (file.writable) return parts.contents.flush(file.ino, file.errors);
}

export async function sync(parts: LiveParts, handle: HandleId): Promise<void> {
  const file = parts.openFiles.get(handle);
  await parts.contents.flush(file.ino, file.errors);
  await parts.durability.barrier();
}

export function release(parts: LiveParts, handle: HandleId): Awaitable<void> {
  const file = parts.openFiles.remove(handle);
  if (file === undefined) return;
  // In use until its bytes are stored: an orphan that goes before would take their inode away.
  const ended = () => {
    parts.openFiles.ended(file);
    if (!parts.openFiles.isOpen(file.ino)) parts.contents.errors.closed(file.ino);
    parts.orphans.dropUnused(file.ino);
  };
  const closed = file.writable ? parts.contents.close(file.ino) : undefined;
  if (closed !== undefined) return closed.then(ended);
  ended();
}

/** @throws {CairnError} `invalid` where the handle only reads */
export function writableFile(parts: LiveParts, handle: HandleId): OpenFile {
  const file = parts.openFiles.get(handle);
  if (!file.writable) throw new CairnError('invalid', `Handle ${handle} is not open for writing`);
  return file;
}

/** What a handle that writes has open. */
export function contentOf(parts: LiveParts, file: OpenFile) {
  const content = parts.contents.get(file.ino);
  if (content === undefined) throw new CairnError('stale', `Inode ${file.ino} is not open for writing`);
  return content;
}
