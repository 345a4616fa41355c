import type { Backend } from '../backend/backend.js';
import { ChunkStore, type ChunkStoreOptions } from '../chunkstore/chunk-store.js';
import { compressionLevels } from '../chunkstore/compression-level.js';
import type { DatastoreConfig } from './config.js';

/** A store for what writes many chunks: as the datastore's config says, compressed as the load allows. */
export function writingChunks(
  { backend, config }: { readonly backend: Backend; readonly config: DatastoreConfig },
  options: Pick<ChunkStoreOptions, 'atOnce' | 'guards'> = {},
): ChunkStore {
  const { prefixDigits, verifyNew } = config;
  return new ChunkStore(backend, prefixDigits, { ...options, verifyNew, level: compressionLevels(backend) });
}
