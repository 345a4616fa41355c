import { Readable } from 'node:stream';
import type { KnownChunk } from '../catalog/chunks.js';
import { MAX_CHUNK_BYTES } from '../chunk/limits.js';
import type { ChunkStore } from '../chunkstore/chunk-store.js';
import { type Digest, digestFromHex, digestHex, sameDigest } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import type { ByteRange } from '../core/ranges.js';
import { sha256 } from '../native/hash.js';
import { HoldScope } from '../native/holds.js';
import type { ChunkInfo, ChunkOperations, IndexStats, WriteChunkResult } from './api.js';
import { eitherSignal, endedBy, requireGoingOn } from './interruption.js';
import { rangeWithin, readPiece } from './read-content.js';
import type { ReadParts, WriteParts } from './store-parts.js';

const ROWS_AT_ONCE = 1000;

/** How chunks are read. */
export type ChunkReads = Omit<ChunkOperations, 'writeChunk' | 'deleteChunk'>;

export function chunkReads(parts: ReadParts, counts?: WriteParts['counts']): ChunkReads {
  const read = async (id: string, range: [number, number], signal: AbortSignal | undefined): Promise<Buffer> => {
    requireGoingOn(eitherSignal(parts.closing, signal));
    const digest = digestFromHex(id);
    const { length } = requirePresent(parts, digest);
    return readHeld(parts, { digest, length }, rangeWithin(length, ...range));
  };
  const stream = async (id: string, range: [number, number], signal: AbortSignal | undefined): Promise<Readable> => {
    const bytes = await read(id, range, signal);
    return endedBy(eitherSignal(parts.closing, signal), Readable.from([bytes], { objectMode: false }));
  };
  return {
    getChunk: (id, options) => stream(id, [0, MAX_CHUNK_BYTES], options?.signal),
    getChunkData: (id, options) => read(id, [0, MAX_CHUNK_BYTES], options?.signal),
    getChunkRange: (id, offset, length, options) => stream(id, [offset, length], options?.signal),
    getChunkDataRange: (id, offset, length, options) => read(id, [offset, length], options?.signal),
    getChunkInfo: async (id) => {
      requireGoingOn(parts.closing);
      const digest = digestFromHex(id);
      const known = parts.index.findChunk(digest);
      if (known === undefined) throw new CairnError('not-found', `There is no chunk ${id}`);
      return shownChunk(digest, known);
    },
    iterateChunks: (visit, options) => iterate(parts, visit, options?.signal),
    getIndexStats: () => statsOf(parts, counts),
  };
}

/** How chunks come and go past objects. */
export type ChunkChanges = Pick<ChunkOperations, 'deleteChunk'> & {
  /** @param chunks another way to the store's chunks */
  writeChunk(id: string, bytes: Uint8Array, chunks?: ChunkStore): Promise<WriteChunkResult>;
};

export function chunkChanges(parts: WriteParts): ChunkChanges {
  return {
    writeChunk: (id, bytes, chunks = parts.chunks) => receive({ ...parts, chunks }, id, bytes),
    deleteChunk: async (id) => {
      requireGoingOn(parts.closing);
      const digest = digestFromHex(id);
      parts.index.requireWorking();
      requirePresent(parts, digest);
      parts.index.forgetChunk(digest);
      await parts.index.commit();
      parts.counts.deleted += 1;
    },
  };
}

async function receive(parts: WriteParts, id: string, bytes: Uint8Array): Promise<WriteChunkResult> {
  const { chunks, index, counts, storing } = parts;
  requireGoingOn(parts.closing);
  const digest = digestFromHex(id);
  if (bytes.length > MAX_CHUNK_BYTES) {
    throw new CairnError('too-large', `A chunk has at most ${MAX_CHUNK_BYTES} bytes, not ${bytes.length}`);
  }
  if (!sameDigest(await sha256(bytes), digest)) {
    throw new CairnError(
      'corrupt',
      `The bytes given for chunk ${id} have another digest: they were damaged on the way`,
    );
  }
  index.requireWorking();
  const holds = HoldScope.open();
  try {
    holds.hold(digest);
    const { length } = bytes;
    const reused = await chunks.reuse(digest, () => {
      const known = index.findChunk(digest);
      return known?.state === 'present' && known.length === length ? known.stored : undefined;
    });
    if (reused !== undefined) return { stored: false, storedSize: reused };
    const stored = await storing(() => chunks.insertBytes(digest, bytes));
    await chunks.sync();
    await index.recordChunks([{ digest, length, stored }]);
    await index.commit();
    counts.received += 1;
    return { stored: true, storedSize: stored };
  } finally {
    holds.end();
  }
}

async function readHeld(
  { chunks }: ReadParts,
  chunk: { readonly digest: Digest; readonly length: number },
  range: ByteRange,
): Promise<Buffer> {
  if (range.start >= range.end && chunk.length > 0) return Buffer.alloc(0);
  const holds = HoldScope.open();
  try {
    holds.hold(chunk.digest);
    return await readPiece(chunks, chunk, range);
  } finally {
    holds.end();
  }
}

/** @throws {CairnError} `not-found` for a chunk the index does not have, or not any more */
function requirePresent({ index }: Pick<ReadParts, 'index'>, digest: Digest): KnownChunk {
  const known = index.findChunk(digest);
  if (known?.state === 'present') return known;
  const why = known === undefined ? '' : `: it is ${known.state}`;
  throw new CairnError('not-found', `There is no chunk ${digestHex(digest)}${why}`);
}

function shownChunk(digest: Digest, { length, stored, state, verifiedAt }: KnownChunk): ChunkInfo {
  return {
    ...{ id: digestHex(digest), size: length, storedSize: stored, state },
    verifiedAt: verifiedAt === 0 ? undefined : new Date(verifiedAt * 1000),
  };
}

async function iterate(
  { index, closing }: ReadParts,
  visit: (chunk: ChunkInfo) => void | Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const either = eitherSignal(closing, signal);
  for (let after: Uint8Array = Buffer.alloc(0); ; ) {
    requireGoingOn(either);
    const page = index.listChunks(after, ROWS_AT_ONCE);
    for (const { digest, ...known } of page) {
      requireGoingOn(either);
      if (known.state === 'present') await visit(shownChunk(digest, known));
    }
    const last = page.at(-1);
    if (last === undefined || page.length < ROWS_AT_ONCE) return;
    after = last.digest;
  }
}

function statsOf({ index, chunks }: ReadParts, counts?: WriteParts['counts']): IndexStats {
  const present = index.chunkTotals();
  const objects = index.objectTotals();
  const { inserts, reuses, loads, plainBytes, encodedBytes, uncompressed } = chunks.counters;
  const [receive, deleted] = [counts?.received ?? 0, counts?.deleted ?? 0];
  return {
    kind: index.kind,
    ...{ chunks: present.chunks, bytes: present.plainBytes, storedBytes: present.storedBytes },
    ...{ objects: objects.objects, objectBytes: objects.bytes },
    operations: { create: inserts - receive, deduplicate: reuses, receive, read: loads, delete: deleted },
    compression: { bytesIn: plainBytes, bytesOut: encodedBytes, skipped: uncompressed },
  };
}
