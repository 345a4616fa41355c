import type { Digest } from '../core/digest.js';
import { sha256Sync } from '../native/hash.js';
import { allZeroChunkLengths, zeroChunkDigest } from './zero-chunks.js';

/** A chunk every datastore has from the start and no collection ever removes (design §2). */
export interface StandingChunk {
  readonly digest: Digest;
  /** Plain length in bytes. */
  readonly length: number;
  /** The plain bytes, made anew at each call. */
  bytes(): Uint8Array;
}

/** Every item of an archive starts with its type and its length, which includes these 16 bytes (pbs-format §6.1). */
const ITEM_HEADER_BYTES = 16;
const PAYLOAD = 0x28147a1b0b7c1a25n;
const PAYLOAD_START_MARKER = 0x834c68c2194a4ed2n;
const PAYLOAD_TAIL_MARKER = 0x6c72b78b984c81b5n;

/** First chunk of every payload stream. */
export const payloadStartMarker: StandingChunk = emptyItem(PAYLOAD_START_MARKER);

/** Last chunk of every payload stream. */
export const payloadTailMarker: StandingChunk = emptyItem(PAYLOAD_TAIL_MARKER);

/** An empty file in a payload stream: a header with nothing behind it. */
export const emptyFilePayload: StandingChunk = emptyItem(PAYLOAD);

/** All standing chunks. */
export function* standingChunks(): Generator<StandingChunk> {
  yield payloadStartMarker;
  yield payloadTailMarker;
  yield emptyFilePayload;
  for (const length of allZeroChunkLengths()) {
    yield { digest: zeroChunkDigest(length), length, bytes: () => Buffer.alloc(length) };
  }
}

/** Their digests. */
export function standingDigests(): Digest[] {
  return [...standingChunks()].map(({ digest }) => digest);
}

/** An item that is nothing but its header. */
function emptyItem(type: bigint): StandingChunk {
  const bytes = (): Uint8Array => {
    const header = Buffer.alloc(ITEM_HEADER_BYTES);
    header.writeBigUInt64LE(type, 0);
    header.writeBigUInt64LE(BigInt(ITEM_HEADER_BYTES), 8);
    return header;
  };
  let digest: Digest | undefined;
  return {
    get digest() {
      digest ??= sha256Sync(bytes());
      return digest;
    },
    length: ITEM_HEADER_BYTES,
    bytes,
  };
}
