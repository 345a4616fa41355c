import { type Digest, digestHex } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import { sha256Sync } from '../native/hash.js';
import { MAX_CHUNK_BYTES } from './limits.js';

/** Lengths of the zero chunks are 2^0 … 2^24 bytes. */
const ZERO_CHUNK_COUNT = Math.log2(MAX_CHUNK_BYTES) + 1;

const digests: Digest[] = [];
let lengths: Map<string, number> | undefined;

/**
 * The chunk of `length` zero bytes; computed at the first call and remembered.
 * @param length bytes, a power of two from 1 to 16 MiB
 * @throws {CairnError} `invalid` for any other length
 */
export function zeroChunkDigest(length: number): Digest {
  const exponent = Math.log2(length);
  if (!Number.isInteger(exponent) || exponent < 0 || exponent >= ZERO_CHUNK_COUNT) {
    throw new CairnError(
      'invalid',
      `There is no zero chunk of ${length} bytes; lengths are powers of two up to 16 MiB`,
    );
  }
  let digest = digests[exponent];
  if (digest === undefined) {
    digest = sha256Sync(Buffer.alloc(length));
    digests[exponent] = digest;
  }
  return digest;
}

/** The length in bytes of the zero chunk with this digest, or undefined where it is none: its bytes need no loading. */
export function zeroChunkLength(digest: Digest): number | undefined {
  lengths ??= new Map([...allZeroChunkLengths()].map((length) => [digestHex(zeroChunkDigest(length)), length]));
  return lengths.get(digestHex(digest));
}

/** The lengths there are zero chunks of, in bytes, longest first. */
export function* allZeroChunkLengths(): Generator<number> {
  for (let length = MAX_CHUNK_BYTES; length >= 1; length /= 2) yield length;
}

/**
 * Lengths of the zero chunks that together are a hole of `holeBytes`, longest first: 16 MiB as often as it
 * fits, then each lower power of two at most once. Nothing for an empty hole.
 */
export function* zeroChunkLengthsOf(holeBytes: number): Generator<number> {
  let rest = holeBytes;
  for (const length of allZeroChunkLengths()) {
    for (; rest >= length; rest -= length) yield length;
  }
}
