import type { Catalog } from '../../catalog/open.js';
import type { Durability } from '../../content/durability.js';
import { gatherPublished } from '../create/published-index.js';
import type { PublishedObject } from './copy-protocol.js';

/** What objects are recorded with. */
interface RecordParts {
  readonly catalog: Pick<Catalog, 'indexFiles' | 'objects'>;
  readonly durability: Pick<Durability, 'commitDurably'>;
}

/** Records objects that are on disk; durable when it resolves. An object's row comes with the set of its index file. */
export async function recordObjects(
  { catalog, durability }: RecordParts,
  published: readonly PublishedObject[],
): Promise<void> {
  const { indexFiles, objects } = catalog;
  for (const { object, index } of published) {
    const gathered = index && (await gatherPublished(indexFiles, index));
    try {
      if (index !== null && gathered !== null) indexFiles.put(index.file, gathered);
      objects.put(object);
    } finally {
      gathered?.set.dispose();
    }
  }
  await durability.commitDurably();
}
