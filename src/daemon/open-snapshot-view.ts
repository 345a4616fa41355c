import { LRUCache } from 'lru-cache';
import type { ReadableDatastore } from '../datastore/open.js';
import type { FoundSnapshot } from '../snapshot/find-snapshot.js';
import { loadTreeIndexes } from '../snapshot/tree-indexes.js';
import type { TreeView } from '../snapshot/tree-view.js';
import { openSnapshotTree, xattrsOf } from '../vfs/snapshots/snapshot-tree.js';

/** Plain bytes of metadata kept: a walk needs each chunk once, a search a few of them again. */
const METADATA_CACHE_BYTES = 16 * 1024 * 1024;

/**
 * Opens a snapshot's tree for a command or a job, which reads it with a cache of its own.
 * @throws {CairnError} `corrupt`, and what reading gives
 */
export async function openSnapshotView(
  { chunks, paths }: Pick<ReadableDatastore, 'chunks' | 'paths'>,
  { group, snapshot }: FoundSnapshot,
): Promise<TreeView> {
  const indexes = await loadTreeIndexes(paths.root, group.name, snapshot);
  const cache = new LRUCache<string, Uint8Array>({
    maxSize: METADATA_CACHE_BYTES,
    sizeCalculation: (bytes) => bytes.length,
  });
  const tree = await openSnapshotTree(indexes, chunks, cache);
  const { metadata, attributes } = indexes;
  const records = tree.attributes;
  return {
    archive: tree.archive,
    payload: tree.payload,
    streams: attributes && records && { metadata, attributes, records },
    record: (position) => tree.record(position),
    xattrs: (entry) => xattrsOf(tree, entry),
  };
}
