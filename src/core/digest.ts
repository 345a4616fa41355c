import { CairnError } from './errors.js';

/** A SHA-256 digest: 32 bytes, never written to after it was made. */
export type Digest = Uint8Array;

/** Length of a digest in bytes. */
export const DIGEST_BYTES = 32;

/** The digest as 64 lowercase hex digits: the chunk's file name, and the key to use in a Map or Set. */
export function digestHex(digest: Digest): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('hex');
}

/**
 * Reads 64 lowercase hex digits.
 * @throws {CairnError} `invalid` for anything else
 */
export function digestFromHex(hex: string): Digest {
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new CairnError('invalid', `Not a digest: ${JSON.stringify(hex)}`);
  return Buffer.from(hex, 'hex');
}

/** Whether both are the same 32 bytes. */
export function sameDigest(a: Digest, b: Digest): boolean {
  return Buffer.compare(a, b) === 0;
}
