import type { Digest } from '../core/digest.js';
import { addon } from './addon.js';
import { requireBytes, requireInteger } from './check.js';
import { noteHashed } from './hashed-bytes.js';

interface Sha256Handle {
  readonly sha256: unique symbol;
}

const native = addon as {
  sha256(bytes: Uint8Array): Promise<Buffer>;
  sha256Sync(bytes: Uint8Array): Buffer;
  sha256Open(): Sha256Handle;
  sha256Update(hash: Sha256Handle, bytes: Uint8Array): void;
  sha256Finish(hash: Sha256Handle): Buffer;
  crc32(bytes: Uint8Array, seed: number): number;
  sipHash24(bytes: Uint8Array, key0: bigint, key1: bigint): bigint;
};

/** SHA-256 on a pool thread; until then `bytes` may not be written to. */
export async function sha256(bytes: Uint8Array): Promise<Digest> {
  requireBytes(bytes, 'bytes');
  noteHashed(bytes.length);
  return native.sha256(bytes);
}

/** SHA-256 on the calling thread: for a few kilobytes. */
export function sha256Sync(bytes: Uint8Array): Digest {
  requireBytes(bytes, 'bytes');
  noteHashed(bytes.length);
  return native.sha256Sync(bytes);
}

/** SHA-256 of bytes that come in pieces, on the calling thread. */
export class Sha256 {
  readonly #handle = native.sha256Open();

  update(bytes: Uint8Array): this {
    requireBytes(bytes, 'bytes');
    noteHashed(bytes.length);
    native.sha256Update(this.#handle, bytes);
    return this;
  }

  /** The digest of all bytes since the start or the last `digest`; begins afresh. */
  digest(): Digest {
    return native.sha256Finish(this.#handle);
  }
}

/**
 * CRC32 as zlib has it (IEEE 802.3), unsigned.
 * @param seed CRC32 of the bytes before these
 */
export function crc32(bytes: Uint8Array, seed = 0): number {
  requireBytes(bytes, 'bytes');
  requireInteger(seed, 'seed', 0, 0xffffffff);
  return native.crc32(bytes, seed);
}

/** The two halves of a SipHash key. */
export interface SipHashKey {
  readonly k0: bigint;
  readonly k1: bigint;
}

/** The key of pxar's GOODBYE tables (pbs-format §6.4). */
const PXAR_KEY: SipHashKey = { k0: 0x83ac3f1cfbb450dbn, k1: 0xaa4f1b6879369fbdn };

/** SipHash-2-4 of a name's bytes, unsigned 64 bits, by default with the key of pxar's GOODBYE tables (pbs-format §6.4). */
export function sipHash24(name: Uint8Array, key: SipHashKey = PXAR_KEY): bigint {
  requireBytes(name, 'name');
  return native.sipHash24(name, key.k0, key.k1);
}
