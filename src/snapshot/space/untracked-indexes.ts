import type { LoadedIndexes, SpaceUse } from '../../catalog/space-use.js';
import type { Digest } from '../../core/digest.js';
import { loadIndex } from '../../index/index-file.js';

/** Digests of index files that have no usable set, and those files that cannot be read, so that they count for nothing. */
export interface UntrackedIndexes {
  readonly loaded: LoadedIndexes;
  readonly unreadable: readonly string[];
}

/**
 * Reads those of the index files whose chunks the catalog has not recorded, as others' snapshots may be.
 * @param store the datastore's folder
 * @param paths relative to it
 */
export async function loadUntracked(
  store: string,
  space: SpaceUse,
  paths: Iterable<string>,
): Promise<UntrackedIndexes> {
  const loaded = new Map<string, Digest[]>();
  const unreadable: string[] = [];
  for (const path of space.withoutSet(paths)) {
    try {
      const { index } = await loadIndex(`${store}/${path}`);
      const digests = new Set<string>();
      for (let i = 0; i < index.count; i += 1) digests.add(Buffer.from(index.digest(i)).toString('latin1'));
      loaded.set(
        path,
        Array.from(digests, (digest) => Buffer.from(digest, 'latin1')),
      );
    } catch {
      unreadable.push(path);
    }
  }
  return { loaded, unreadable };
}
