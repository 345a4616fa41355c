import { DIGEST_BYTES } from '../../core/digest.js';
import type { ChunkIndex } from '../../index/chunk-index.js';
import { indexIdentityOf } from '../../index/index-file.js';
import type { PublishedIndex } from './job-protocol.js';

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
