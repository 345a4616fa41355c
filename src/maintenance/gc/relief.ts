import { MAX_BATCH } from '../../chunkstore/chunk-states.js';
import type { Expiry, Quarantine, QuarantinedChunk } from '../../chunkstore/quarantine.js';

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
  for (let from = 0; from < chunks.length && freed.bytes < wantedBytes; ) {
    const batch = chunks.slice(from, from + batchLength(chunks, from, wantedBytes - freed.bytes));
    from += batch.length;
    const expiry = await quarantine.expire(batch);
    freed.chunks += expiry.chunks;
    freed.bytes += expiry.bytes;
  }
  return freed;
}

/** How many chunks from `from` on make up the bytes that are wanted, at most a batch. */
function batchLength(chunks: readonly QuarantinedChunk[], from: number, wantedBytes: number): number {
  let bytes = 0;
  let count = 0;
  while (count < MAX_BATCH && from + count < chunks.length && bytes < wantedBytes) {
    bytes += chunks[from + count]?.bytes ?? 0;
    count += 1;
  }
  return count;
}
