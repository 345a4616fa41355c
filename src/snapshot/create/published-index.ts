import type { GatheredSet, IndexFileTable } from '../../catalog/index-files.js';
import { DIGEST_BYTES } from '../../core/digest.js';
import type { ChunkIndex } from '../../index/chunk-index.js';
import { indexIdentityOf } from '../../index/index-file.js';
import type { PublishedIndex } from './job-protocol.js';
import { ROWS_PER_TURN, turn } from './turns.js';

/**
 * An index file as the catalog records it, with nothing in it that lies in the index's own memory.
 * @param path relative to the datastore
 * @param bytes the whole file
 */
export function publishedIndex(path: string, index: ChunkIndex, bytes: Uint8Array): PublishedIndex {
  const digests = new Uint8Array(index.count * DIGEST_BYTES);
  const lengths = new Float64Array(index.count);
  for (let position = 0; position < index.count; position += 1) {
    digests.set(index.digest(position), position * DIGEST_BYTES);
    lengths[position] = index.end(position) - index.start(position);
  }
  const file = {
    path,
    kind: index.kind,
    checksum: Uint8Array.from(index.checksum),
    ...indexIdentityOf(bytes),
    chunkCount: index.count,
    contentBytes: index.contentLength,
  };
  return { file, digests, lengths };
}

/** The set of what it lists, to be recorded with the file; made in turns with the mount's requests. The caller disposes of it. */
export async function gatherPublished(
  indexFiles: Pick<IndexFileTable, 'gather' | 'addChunks'>,
  { digests, lengths }: PublishedIndex,
): Promise<GatheredSet> {
  const gathered = indexFiles.gather();
  try {
    for (let from = 0; from < lengths.length; from += ROWS_PER_TURN) {
      const chunks = Array.from(lengths.subarray(from, from + ROWS_PER_TURN), (length, index) => {
        const at = (from + index) * DIGEST_BYTES;
        return { digest: digests.subarray(at, at + DIGEST_BYTES), length };
      });
      indexFiles.addChunks(gathered, chunks, 'present');
      await turn();
    }
    return gathered;
  } catch (error) {
    gathered.set.dispose();
    throw error;
  }
}
