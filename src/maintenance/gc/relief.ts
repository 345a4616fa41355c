import { slices } from '../../chunkstore/batches.js';
import type { Expiry, Quarantine, QuarantinedChunk, WeighedChunk } from '../../chunkstore/quarantine.js';

/** Lengths asked for at a time. */
const LOOKED_AT_ONCE = 1000;

/**
 * Empties the quarantine, oldest first and whatever the grace period, until so many bytes are free or nothing is left: what
 * a full disk asks for before anything fails.
 * @throws {CairnError} where it cannot be listed or a chunk cannot be deleted; some may be gone
 */
export async function emptyOldest(quarantine: Quarantine, wantedBytes: number): Promise<Expiry> {
  const chunks: QuarantinedChunk[] = [];
  for await (const chunk of quarantine.list()) chunks.push(chunk);
  chunks.sort((a, b) => a.since - b.since);
  const freed = { chunks: 0, bytes: 0 };
  for (const slice of slices(chunks, LOOKED_AT_ONCE)) {
    for (let left = await quarantine.weigh(slice); left.length > 0; ) {
      if (freed.bytes >= wantedBytes) return freed;
      const count = countFor(left, wantedBytes - freed.bytes);
      const expiry = await quarantine.expire(left.slice(0, count));
      freed.chunks += expiry.chunks;
      freed.bytes += expiry.bytes;
      left = left.slice(count);
    }
  }
  return freed;
}

/** How many of the chunks, from the first on, make up the bytes that are wanted. */
function countFor(chunks: readonly WeighedChunk[], wantedBytes: number): number {
  let bytes = 0;
  let count = 0;
  for (const chunk of chunks) {
    if (bytes >= wantedBytes) break;
    bytes += chunk.bytes;
    count += 1;
  }
  return count;
}
