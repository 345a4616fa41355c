import { Readable } from 'node:stream';
import { ChunkError } from '../chunkstore/chunk-error.js';
import type { ChunkStore } from '../chunkstore/chunk-store.js';
import { readPart } from '../chunkstore/read-part.js';
import type { Digest } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import type { ByteRange } from '../core/ranges.js';
import type { ChunkIndex } from '../index/chunk-index.js';
import { HoldScope } from '../native/holds.js';
import { eitherSignal, endedBy } from './interruption.js';
import type { ReadParts } from './store-parts.js';

/** Chunks read beforehand. */
const READ_AHEAD = 4;
const HOLDS_PER_TURN = 5000;

/** A chunk with its plain length in bytes. */
interface SizedChunk {
  readonly digest: Digest;
  readonly length: number;
}

/** Bytes of a stream that never has any. */
export function nothing(): Readable {
  return Readable.from([], { objectMode: false });
}

/**
 * [range.start, range.end) of what an index lists. Its chunks are held from the first byte that is asked for to the last.
 * @param range within the index's content
 */
export function readIndexed(
  { chunks, closing }: Pick<ReadParts, 'chunks' | 'closing'>,
  index: ChunkIndex,
  range: ByteRange,
  signal: AbortSignal | undefined,
): Readable {
  if (range.start >= range.end) return nothing();
  const stream = Readable.from(pieces(chunks, index, range), { objectMode: false, highWaterMark: 1 });
  return endedBy(eitherSignal(closing, signal), stream);
}

async function* pieces(chunks: ChunkStore, index: ChunkIndex, { start, end }: ByteRange): AsyncGenerator<Buffer> {
  const [first, last] = [index.chunkAt(start), index.chunkAt(end - 1)];
  const holds = HoldScope.open();
  const ahead: Promise<Buffer>[] = [];
  try {
    await holdAll(holds, index, first, last);
    let next = first;
    for (let position = first; position <= last; position += 1) {
      for (; next <= last && ahead.length < READ_AHEAD; next += 1) {
        const [from, to] = [index.start(next), index.end(next)];
        const chunk = { digest: index.digest(next), length: to - from };
        const piece = readPiece(chunks, chunk, { start: Math.max(start, from) - from, end: Math.min(end, to) - from });
        piece.catch(() => undefined);
        ahead.push(piece);
      }
      yield await (ahead.shift() as Promise<Buffer>);
    }
  } finally {
    await Promise.allSettled(ahead);
    holds.end();
  }
}

async function holdAll(holds: HoldScope, index: ChunkIndex, first: number, last: number): Promise<void> {
  for (let position = first; position <= last; position += 1) {
    holds.hold(index.digest(position));
    if ((position - first) % HOLDS_PER_TURN === HOLDS_PER_TURN - 1) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
  }
}

/**
 * [start, end) of a chunk's plain bytes, in a buffer of the caller's. Parts come from the chunk cache: who reads one reads
 * others soon.
 * @throws {ChunkError} where it is damaged, absent, or of another length
 */
export async function readPiece(chunks: ChunkStore, chunk: SizedChunk, { start, end }: ByteRange): Promise<Buffer> {
  const { digest, length } = chunk;
  if (start > 0 || end < length) return readPart(chunks, digest, length, start, end - start);
  const bytes = await chunks.read(digest);
  if (bytes.length !== length) throw new ChunkError(digest, 'corrupt', `it has ${bytes.length} bytes, not ${length}`);
  return bytes;
}

/**
 * The bytes of [offset, offset + length) that something of `size` bytes has.
 * @throws {CairnError} `invalid` unless both are whole numbers, not negative
 */
export function rangeWithin(size: number, offset: number, length: number): ByteRange {
  const isRange = [offset, length].every((value) => Number.isSafeInteger(value) && value >= 0);
  if (!isRange) throw new CairnError('invalid', `Not a range: ${length} bytes at ${offset}`);
  const start = Math.min(offset, size);
  return { start, end: Math.min(size, start + length) };
}
