import { DIGEST_BYTES, type Digest, digestHex } from '../core/digest.js';
import { addon } from './addon.js';
import { requireDigest } from './check.js';

// One table for the whole process: chunks that no sweep may remove, with how often each is held.

const native = addon as {
  holdChunk(digest: Digest): void;
  releaseChunk(digest: Digest): boolean;
  isHeld(digest: Digest): boolean;
  heldChunks(): Buffer;
};

/** Holds the chunk once more. Nothing but `releaseChunk` ends it, not even the end of the thread. */
export function holdChunk(digest: Digest): void {
  requireDigest(digest);
  native.holdChunk(digest);
}

/** Ends one hold. @throws {RangeError} where the chunk is not held */
export function releaseChunk(digest: Digest): void {
  requireDigest(digest);
  if (!native.releaseChunk(digest)) throw new RangeError(`Chunk ${digestHex(digest)} is not held`);
}

export function isHeld(digest: Digest): boolean {
  requireDigest(digest);
  return native.isHeld(digest);
}

/** All chunks held at this moment, in no order. */
export function heldChunks(): Digest[] {
  const digests = native.heldChunks();
  return Array.from({ length: digests.length / DIGEST_BYTES }, (_, index) =>
    digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES),
  );
}
