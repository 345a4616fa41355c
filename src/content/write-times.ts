import type { Inode } from '../catalog/inode.js';
import type { Timestamp } from '../core/time.js';

/** The times that a change of content moves. */
export type WriteTimes = Pick<Inode, 'mtimeSec' | 'mtimeNsec' | 'ctimeSec' | 'ctimeNsec'>;

/**
 * The inode's times once its bytes were changed at `mtime`, or as they are. ctime does not go back: the write may be
 * recorded after a later chmod(2).
 */
export function timesAfterWrite(inode: Readonly<Inode>, mtime: Timestamp | undefined): WriteTimes {
  const { mtimeSec, mtimeNsec, ctimeSec, ctimeNsec } = inode;
  if (mtime === undefined) return { mtimeSec, mtimeNsec, ctimeSec, ctimeNsec };
  const { seconds, nanoseconds } = mtime;
  const later = seconds > ctimeSec || (seconds === ctimeSec && nanoseconds > ctimeNsec);
  const changed = later ? { ctimeSec: seconds, ctimeNsec: nanoseconds } : { ctimeSec, ctimeNsec };
  return { mtimeSec: seconds, mtimeNsec: nanoseconds, ...changed };
}

/** Whether this is the inode's mtime already. */
export function isModifiedAt(inode: Readonly<Inode>, time: Timestamp): boolean {
  return inode.mtimeSec === time.seconds && inode.mtimeNsec === time.nanoseconds;
}
