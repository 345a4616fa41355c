import type { IndexFileTable } from '../../catalog/index-files.js';
import type { Catalog } from '../../catalog/open.js';
import type { Durability } from '../../content/durability.js';
import { DIGEST_BYTES } from '../../core/digest.js';
import type { PublishedIndex } from '../create/job-protocol.js';
import { ROWS_PER_TURN, turn } from '../create/turns.js';
import type { PublishedObject } from './copy-protocol.js';

/** Records objects that are on disk; durable when it resolves. An object's row comes with the set of its index file. */
export async function recordObjects(
  {
    catalog,
    durability,
  }: { catalog: Pick<Catalog, 'indexFiles' | 'objects'>; durability: Pick<Durability, 'commitDurably'> },
  published: readonly PublishedObject[],
): Promise<void> {
  for (const { object, index } of published) {
    const put = index === null ? undefined : await gathered(catalog.indexFiles, index);
    put?.();
    catalog.objects.put(object);
  }
  await durability.commitDurably();
}

/** @returns what records the index file at once */
async function gathered(indexFiles: IndexFileTable, { file, digests, lengths }: PublishedIndex): Promise<() => void> {
  const set = indexFiles.gather();
  for (let from = 0; from < lengths.length; from += ROWS_PER_TURN) {
    const chunks = Array.from(lengths.subarray(from, from + ROWS_PER_TURN), (length, index) => {
      const at = (from + index) * DIGEST_BYTES;
      return { digest: digests.subarray(at, at + DIGEST_BYTES), length };
    });
    indexFiles.addChunks(set, chunks, 'present');
    await turn();
  }
  return () => {
    indexFiles.put(file, set);
    set.set.dispose();
  };
}
