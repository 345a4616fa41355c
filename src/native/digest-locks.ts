import { type Digest, digestHex } from '../core/digest.js';
import { addon } from './addon.js';
import { requireDigest } from './check.js';

// Locks of single chunks, and the one between pictures and marks; one table for the whole process, first come, first
// served. What a thread has locked is free again when the thread has ended and none of its file operations runs any more.

const native = addon as {
  lockDigest(digest: Digest): Promise<void> | undefined;
  tryLockDigest(digest: Digest): boolean;
  unlockDigest(digest: Digest): boolean;
  lockPictures(alone: boolean): Promise<void> | undefined;
  unlockPictures(): boolean;
};

/** Waits until nobody else has the chunk locked, and locks it; undefined where that was so at once. Not reentrant. */
export function lockDigest(digest: Digest): Promise<void> | undefined {
  requireDigest(digest);
  return native.lockDigest(digest);
}

/** Locks the chunk if nobody has it locked or waits for it; whether it did. */
export function tryLockDigest(digest: Digest): boolean {
  requireDigest(digest);
  return native.tryLockDigest(digest);
}

/** Ends a lock of this thread. @throws {RangeError} where it has none */
export function unlockDigest(digest: Digest): void {
  requireDigest(digest);
  if (!native.unlockDigest(digest)) throw new RangeError(`Chunk ${digestHex(digest)} is not locked by this thread`);
}

/**
 * Says that this thread names chunks from what it saw earlier (a picture of the catalog, an index file) until it calls
 * what it gets: to be called before the picture is opened, and ended when the commit of what it made has returned. No
 * mark is taken meanwhile (design §3). Many may at once. Waits for a mark that is being taken, or waits itself.
 */
export async function openPicture(): Promise<() => void> {
  await native.lockPictures(false);
  let isOpen = true;
  return () => {
    if (isOpen) native.unlockPictures();
    isOpen = false;
  };
}

/** Runs `work` while no picture is open; it should be short. Never inside a picture of one's own. */
export async function betweenPictures<T>(work: () => T | Promise<T>): Promise<T> {
  await native.lockPictures(true);
  try {
    return await work();
  } finally {
    native.unlockPictures();
  }
}
