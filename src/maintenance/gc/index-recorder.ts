import type { Catalog } from '../../catalog/open.js';
import type { ReadIndex } from './gc-protocol.js';
import { unpackDigests } from './packed-digests.js';

/** Chunks noted between two turns of the mount's requests. */
const CHUNKS_PER_TURN = 250;

/**
 * Writes down which chunks an index file names, on the thread of the catalog's writer.
 * @param turn lets the mount answer what has come in
 * @throws {CairnError} `stale` where the catalog was rolled back meanwhile; what a turn gives
 */
export async function recordIndex(
  { indexFiles }: Pick<Catalog, 'indexFiles'>,
  { file, digests, lengths }: ReadIndex,
  turn: () => Promise<void>,
): Promise<void> {
  const gathered = indexFiles.gather();
  const chunks = unpackDigests(digests).map((digest, at) => ({ digest, length: lengths[at] as number }));
  try {
    for (let from = 0; from < chunks.length; from += CHUNKS_PER_TURN) {
      await turn();
      indexFiles.addChunks(gathered, chunks.slice(from, from + CHUNKS_PER_TURN), 'present');
    }
    await turn();
    indexFiles.put(file, gathered);
  } finally {
    gathered.set.dispose();
  }
}
