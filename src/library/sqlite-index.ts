import type { IndexFile, IndexFileTable } from '../catalog/index-files.js';
import type { Catalog } from '../catalog/open.js';
import type { CatalogReader } from '../catalog/open-reader.js';
import type { LiveStore } from '../content/open-live-store.js';
import type { Digest } from '../core/digest.js';
import type { BuiltIndex } from '../index/dynamic-index.js';
import { parseDynamicIndex } from '../index/dynamic-index.js';
import { indexIdentityOf } from '../index/index-file.js';
import { inTurns, ROWS_PER_TURN, turn } from '../snapshot/create/turns.js';
import { SharedCommits } from './shared-commits.js';
import type { ObjectChange, StoreIndex, WritableIndex, WrittenChunk } from './store-index.js';

/** The index of a datastore's catalog, as it was committed. */
export function readOnlyIndex(reader: CatalogReader): StoreIndex {
  return {
    kind: 'sqlite',
    findChunk: (digest) => reader.chunks.find(digest),
    listChunks: (after, limit) => reader.chunks.list(after, limit),
    chunkTotals: () => reader.figures().chunks.present,
    findObject: (id) => reader.objects.find(id),
    listObjects: (from, limit) => reader.objects.list(from, limit),
    objectTotals: () => reader.objects.totals(),
  };
}

/** What the writer's index works on. */
export interface SqliteIndexParts {
  readonly catalog: Catalog;
  /** For lists; sees what was committed. */
  readonly reader: CatalogReader;
  readonly live: Pick<LiveStore, 'durability' | 'parts'>;
}

/** The index of a datastore's catalog, on the thread of its one writer. */
export function sqliteIndex({ catalog, reader, live }: SqliteIndexParts): WritableIndex {
  const commits = new SharedCommits(() => live.durability.commitDurably());
  return {
    kind: 'sqlite',
    findChunk: (digest) => catalog.chunks.find(digest),
    listChunks: (after, limit) => reader.chunks.list(after, limit),
    chunkTotals: () => catalog.chunks.totals('present'),
    findObject: (id) => catalog.objects.find(id),
    listObjects: (from, limit) => reader.objects.list(from, limit),
    objectTotals: () => catalog.objects.totals(),
    requireWorking: () => live.parts.log.requireWorking(),
    recordChunks: (chunks) => recordChunks(catalog, chunks),
    recordObject: (change) => recordObject(catalog, change),
    forgetChunk: (digest: Digest) => catalog.chunks.setState(digest, 'absent'),
    commit: () => commits.commit(),
  };
}

function recordChunks({ chunks }: Catalog, written: readonly WrittenChunk[]): Promise<void> {
  return inTurns(written, ({ digest, length, stored }) => chunks.setPresent(digest, length, stored));
}

/** The row comes with the set of its index file: from one commit to the next both are there, or neither. */
async function recordObject(
  { indexFiles, objects }: Catalog,
  { object, index, replaced }: ObjectChange,
): Promise<void> {
  const path = object.indexPath;
  const put = index && path ? await gathered(indexFiles, path, index) : undefined;
  put?.();
  if (replaced !== undefined) indexFiles.remove(replaced);
  objects.put(object);
}

/** @returns what records the index file at once */
async function gathered(indexFiles: IndexFileTable, path: string, built: BuiltIndex): Promise<() => void> {
  const set = indexFiles.gather();
  const index = parseDynamicIndex(built.bytes);
  for (let from = 0; from < index.count; from += ROWS_PER_TURN) {
    const count = Math.min(ROWS_PER_TURN, index.count - from);
    const chunks = Array.from({ length: count }, (_, at) => ({
      digest: index.digest(from + at),
      length: index.end(from + at) - index.start(from + at),
    }));
    indexFiles.addChunks(set, chunks, 'present');
    if (count === ROWS_PER_TURN) await turn();
  }
  const file: IndexFile = {
    ...{ path, kind: 'dynamic', checksum: built.checksum, ...indexIdentityOf(built.bytes) },
    ...{ chunkCount: built.count, contentBytes: built.contentLength },
  };
  return () => {
    indexFiles.put(file, set);
    set.set.dispose();
  };
}
