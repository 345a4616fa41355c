import type { Digest } from '../core/digest.js';
import { lockDigest, tryLockDigest, unlockDigest } from '../native/digest-locks.js';
import { agreeOnLevel, type HoldScope, isHeld, threadHolds } from '../native/holds.js';

/**
 * What keeps work on one chunk apart: holds say that it is in use, its lock that somebody changes or trusts what stands
 * under its name. A collector asks for holds only while it has the lock, and whoever wants to use a chunk holds it
 * before it asks for the lock: so one of the two always sees the other.
 */
export interface ChunkGuards {
  hold(digest: Digest): void;
  release(digest: Digest): void;
  isHeld(digest: Digest): boolean;
  /** The level to compress a held chunk with: `wanted`, or the one agreed on since it is held. */
  agreeOnLevel(digest: Digest, wanted: number): number;
  /** Waits for the lock; undefined where it was to be had at once. */
  lock(digest: Digest): Promise<void> | undefined;
  /** Takes the lock where nobody has it. */
  tryLock(digest: Digest): boolean;
  unlock(digest: Digest): void;
}

/** The guards of this process, for all of its threads; `holds` says with whom the holds end. */
export function processGuards(holds: HoldScope = threadHolds()): ChunkGuards {
  return {
    hold: (digest) => holds.hold(digest),
    release: (digest) => holds.release(digest),
    isHeld,
    agreeOnLevel,
    lock: lockDigest,
    tryLock: tryLockDigest,
    unlock: unlockDigest,
  };
}

/** Runs `work` with the chunk locked. Not from within another one for the same chunk. */
export async function withLock<T>(
  guards: Pick<ChunkGuards, 'lock' | 'unlock'>,
  digest: Digest,
  work: () => Promise<T>,
): Promise<T> {
  await guards.lock(digest);
  try {
    return await work();
  } finally {
    guards.unlock(digest);
  }
}
