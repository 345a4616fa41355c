import { DIGEST_BYTES, type Digest } from '../../core/digest.js';
import type { PackedDigests } from './gc-protocol.js';

/** The digests in one array, which can go to another thread without what lay beside them. */
export function packDigests(digests: readonly Digest[]): PackedDigests {
  const packed = new Uint8Array(digests.length * DIGEST_BYTES);
  for (const [index, digest] of digests.entries()) packed.set(digest, index * DIGEST_BYTES);
  return packed;
}

/** Views of the digests in an array. */
export function unpackDigests(packed: PackedDigests): Digest[] {
  return Array.from({ length: packed.length / DIGEST_BYTES }, (_, index) =>
    Buffer.from(packed.buffer, packed.byteOffset + index * DIGEST_BYTES, DIGEST_BYTES),
  );
}
