import type { Inode } from '../../catalog/inode.js';
import type { LiveParts } from './live-parts.js';
import type { OpenFile } from './open-files.js';

const RELATIME_SECONDS = 24 * 60 * 60;

/** The relatime rule: a read moves atime when it is not younger than the last change, or a day old. */
export function isAtimeDue(parts: LiveParts, inode: Readonly<Inode>): boolean {
  const older = (sec: number, nsec: number) =>
    inode.atimeSec < sec || (inode.atimeSec === sec && inode.atimeNsec <= nsec);
  return (
    older(inode.mtimeSec, inode.mtimeNsec) ||
    older(inode.ctimeSec, inode.ctimeNsec) ||
    parts.clock.now().seconds - inode.atimeSec >= RELATIME_SECONDS
  );
}

/** Moves atime where that is due, at a handle's first read. */
export function touchAtime(parts: LiveParts, file: OpenFile): void {
  file.atimeDue = false;
  const inode = parts.tree.inodes.find(file.ino);
  if (inode === undefined || parts.log.failure !== undefined || !isAtimeDue(parts, inode)) return;
  const { seconds, nanoseconds } = parts.clock.now();
  try {
    parts.log.make({ kind: 'attributes', ino: file.ino, fields: { atimeSec: seconds, atimeNsec: nanoseconds } });
  } catch {
    // A full disk keeps nobody from reading; where the log has failed, changes say so.
  }
}
