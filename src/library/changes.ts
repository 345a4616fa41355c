import type { ChunkOperations, ObjectOperations } from './api.js';
import { type BackendSource, requireBackend } from './backend-operations.js';
import { objectChanges } from './change-objects.js';
import { chunkChanges } from './chunk-operations.js';
import type { OpenWork } from './open-work.js';
import type { WriteParts } from './store-parts.js';

/** All that changes a store, but for collections. */
export type Changes = Pick<ObjectOperations, 'putObject' | 'deleteObject'> &
  Pick<ChunkOperations, 'writeChunk' | 'deleteChunk'>;

/** Changes that closing waits for. */
export function changesDuring(work: OpenWork, parts: WriteParts, backends: BackendSource): Changes {
  const { putObject, deleteObject } = objectChanges(parts);
  const { writeChunk, deleteChunk } = chunkChanges(parts);
  return {
    putObject: work.during(putObject),
    deleteObject: work.during(deleteObject),
    deleteChunk: work.during(deleteChunk),
    writeChunk: work.during(async (id, bytes, backendId) => {
      if (backendId === undefined) return writeChunk(id, bytes);
      requireBackend(backends, backendId);
      return writeChunk(id, bytes, parts.chunksOn(backends.preferring(backendId)));
    }),
  };
}
