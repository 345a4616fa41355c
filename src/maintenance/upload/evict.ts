import { withLock } from '../../chunkstore/guards.js';
import { chunkFolders, chunkName } from '../../chunkstore/layout.js';
import type { Digest } from '../../core/digest.js';
import { listIfThere } from '../../datastore/list-if-there.js';
import { chunkFilesAmong } from '../gc/chunk-listing.js';
import { type PublishedChunks, withPublishedChunks } from './published-chunks.js';
import type { UploadParts } from './upload-parts.js';

/** What is evicted when the bound is passed, so that it is not passed again at once. */
const ROOM_TO_MAKE = 1 / 10;

interface CachedChunk {
  readonly digest: Digest;
  readonly allocatedBytes: number;
  readonly usedAt: number;
}

/** What came of it. */
export interface Eviction {
  /** Bytes given back. */
  readonly evictedBytes: number;
  /** Whether the bound does not hold as chunks are in no snapshot or recovery point that is in the object store. */
  readonly isHeldUp: boolean;
}

const NOTHING: Eviction = { evictedBytes: 0, isHeldUp: false };

/**
 * Gives back the room of chunks that are in the object store, those not used for longest first, until what is left is
 * within the bound.
 * @param boundOf the bound, where not that of the datastore, from how many bytes there are
 */
export async function evictChunks(parts: UploadParts, boundOf?: (bytes: number) => number): Promise<Eviction> {
  if (parts.cacheBytes === undefined && boundOf === undefined) return NOTHING;
  const chunks = await cachedChunks(parts);
  const bytes = chunks.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0);
  const cacheBytes = boundOf?.(bytes) ?? parts.cacheBytes ?? 0;
  if (bytes <= cacheBytes) return NOTHING;
  // What was uploaded a moment ago may go too.
  await parts.ask('commit', null);
  const oldestFirst = chunks.sort((a, b) => a.usedAt - b.usedAt);
  const surplus = bytes - cacheBytes * (1 - ROOM_TO_MAKE);
  if (!parts.isShared) return evictSurplus(parts, oldestFirst, surplus);
  return withPublishedChunks(parts, (published) => evictSurplus(parts, oldestFirst, surplus, published));
}

/** @param published where only these may go */
async function evictSurplus(
  parts: UploadParts,
  oldestFirst: readonly CachedChunk[],
  surplus: number,
  published?: PublishedChunks,
): Promise<Eviction> {
  let evictedBytes = 0;
  let isHeldUp = false;
  let left = surplus;
  for (const { digest, allocatedBytes } of oldestFirst) {
    if (left <= 0) return { evictedBytes, isHeldUp: false };
    parts.goOn();
    if (published?.has(digest) === false) {
      isHeldUp = true;
      continue;
    }
    const given = await evict(parts, digest);
    if (given === 0) continue;
    left -= allocatedBytes;
    evictedBytes += given;
  }
  return { evictedBytes, isHeldUp: isHeldUp && left > 0 };
}

async function cachedChunks(parts: UploadParts): Promise<CachedChunk[]> {
  const chunks: CachedChunk[] = [];
  for (const folder of chunkFolders(parts.prefixDigits)) {
    for (const file of chunkFilesAmong(await listIfThere(`${parts.store}/${folder}`), folder)) {
      if (file.kind !== 'chunk') continue;
      const facts = await parts.factsOf(`${parts.store}/${chunkName(file.digest, parts.prefixDigits)}`);
      if (facts !== undefined && facts.allocatedBytes > 0) chunks.push({ digest: file.digest, ...facts });
    }
  }
  return chunks;
}

/** Held, so that no collector takes it away meanwhile. */
async function evict(parts: UploadParts, digest: Digest): Promise<number> {
  const { guards, reader, objects } = parts;
  // What is not committed yet the reader does not see; it is in the queue when it is.
  const isUploaded = () =>
    reader.chunks.find(digest)?.state === 'present' && reader.uploads.ticketOf(digest) === undefined;
  guards.hold(digest);
  try {
    if (!isUploaded()) return 0;
    return await objects.transfers.evict(chunkName(digest, parts.prefixDigits), (work) =>
      withLock(guards, digest, async () => (isUploaded() ? work() : 0)),
    );
  } finally {
    guards.release(digest);
  }
}
