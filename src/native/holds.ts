import { DIGEST_BYTES, type Digest, digestHex } from '../core/digest.js';
import { addon } from './addon.js';
import { requireDigest, requireInteger } from './check.js';

// One table for the whole process: chunks that no sweep may remove, with how often each is held. A hold that ends while
// a sweep runs counts until the sweep is over, also where it ends with its thread.

const native = addon as {
  openHoldScope(): number;
  endHoldScope(scope: number): boolean;
  holdChunk(scope: number, digest: Digest): boolean;
  releaseChunk(scope: number, digest: Digest): boolean;
  agreeOnLevel(digest: Digest, wanted: number): number;
  isHeld(digest: Digest): boolean;
  heldChunks(): Buffer;
  beginSweep(): boolean;
  endSweep(): boolean;
};

/**
 * Holds that end together: by `end`, or with the thread that opened it. Other threads take part by its `id`, and their
 * holds live on without them.
 */
export class HoldScope {
  readonly id: number;

  private constructor(id: number) {
    this.id = id;
  }

  /** A scope of this thread. */
  static open(): HoldScope {
    return new HoldScope(native.openHoldScope());
  }

  /** The scope another thread has opened. */
  static of(id: number): HoldScope {
    requireInteger(id, 'scope', 1);
    return new HoldScope(id);
  }

  /** Holds the chunk once more. @throws {RangeError} where the scope has ended */
  hold(digest: Digest): void {
    requireDigest(digest);
    if (!native.holdChunk(this.id, digest)) throw new RangeError(`Hold scope ${this.id} has ended`);
  }

  /** Ends one hold of the scope. @throws {RangeError} where the scope does not hold the chunk */
  release(digest: Digest): void {
    requireDigest(digest);
    if (!native.releaseChunk(this.id, digest)) throw new RangeError(`Chunk ${digestHex(digest)} is not held`);
  }

  /** Ends all of its holds. Idempotent. */
  end(): void {
    native.endHoldScope(this.id);
  }
}

let ofThread: HoldScope | undefined;

/** The scope that ends with this thread alone. */
export function threadHolds(): HoldScope {
  ofThread ??= HoldScope.open();
  return ofThread;
}

/**
 * The level of zstd a chunk is to be compressed with: `wanted`, or what somebody else was told since the chunk is held, by
 * whomever. Of a chunk that nobody holds nothing is remembered.
 */
export function agreeOnLevel(digest: Digest, wanted: number): number {
  requireDigest(digest);
  requireInteger(wanted, 'level', Number.MIN_SAFE_INTEGER);
  return native.agreeOnLevel(digest, wanted);
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

/** From now to `endSweep` no hold ends. False while a sweep runs in this process. Ends with its thread, too. */
export function beginSweep(): boolean {
  return native.beginSweep();
}

/** Ends the sweep this thread has begun; false where it has none. */
export function endSweep(): boolean {
  return native.endSweep();
}
