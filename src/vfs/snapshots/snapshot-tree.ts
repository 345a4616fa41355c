import { AttributesReader } from '../../archive/attributes-reader.js';
import type { AttributeRecord } from '../../archive/attributes-record.js';
import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import { ArchiveReader } from '../../archive/reader.js';
import type { Xattr } from '../../archive/xattrs.js';
import type { ChunkStore } from '../../chunkstore/chunk-store.js';
import type { ChunkIndex } from '../../index/chunk-index.js';
import type { Awaitable } from '../api.js';
import { ChunkStream, type MetadataCache } from './chunk-stream.js';
import { PayloadReader } from './payload-reader.js';

/** What one open tree keeps decoded; the kernel caches most of what it asks for. */
const CACHED_ENTRIES = 4096;
const CACHED_LIST_BYTES = 4 * 1024 * 1024;
const CACHED_PAGE_BYTES = 2 * 1024 * 1024;

/** The index files of one snapshot's tree. */
export interface TreeIndexes {
  readonly metadata: ChunkIndex;
  readonly payload: ChunkIndex;
  /** Absent where PBS made the snapshot. */
  readonly attributes: ChunkIndex | undefined;
}

/** One snapshot's tree, open for reading: its archive, its attributes stream and its files' content. */
export interface SnapshotTree {
  readonly archive: ArchiveReader;
  readonly payload: ChunkIndex;
  readonly content: PayloadReader;
  /** Absent where PBS made the snapshot. */
  readonly attributes: AttributesReader | undefined;
  /** What the archive cannot say of an entry, where it is known. */
  record(entryPosition: number): Awaitable<AttributeRecord | undefined>;
}

/** Opens the tree of a snapshot. @throws {CairnError} `corrupt` */
export async function openSnapshotTree(
  indexes: TreeIndexes,
  chunks: Pick<ChunkStore, 'load' | 'read' | 'readAheadBytes'>,
  cache: MetadataCache,
): Promise<SnapshotTree> {
  const stream = new ChunkStream(indexes.metadata, chunks, cache);
  const attributes = indexes.attributes && (await openAttributes(indexes.attributes, chunks, cache));
  const record = (position: number) => attributes?.record(position);
  const archive = await ArchiveReader.open({
    read: (offset, length) => stream.read(offset, length),
    size: stream.size,
    payloadSize: indexes.payload.contentLength,
    cachedEntries: CACHED_ENTRIES,
    cachedListBytes: CACHED_LIST_BYTES,
    folderLink: (position) => then(record(position), (found) => found?.folder),
  });
  const content = new PayloadReader(indexes.payload, chunks);
  return { archive, payload: indexes.payload, content, attributes, record };
}

async function openAttributes(
  index: ChunkIndex,
  chunks: Pick<ChunkStore, 'read'>,
  cache: MetadataCache,
): Promise<AttributesReader> {
  const stream = new ChunkStream(index, chunks, cache);
  return AttributesReader.open({
    read: (offset, length) => stream.read(offset, length),
    size: stream.size,
    cachedPageBytes: CACHED_PAGE_BYTES,
  });
}

/** Goes on with a value, at once where it is at hand. */
export function then<T, U>(value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** All extended attributes of an entry: those of the attributes stream go before the archive's of the same name. */
export function xattrsOf(tree: SnapshotTree, entry: ArchiveEntry): Awaitable<readonly Xattr[]> {
  return then(tree.record(entry.position), (record) => {
    const extra = record?.xattrs ?? [];
    if (!entry.hasXattrs) return extra;
    return then(tree.archive.xattrs(entry.position), (stored) => [
      ...extra,
      ...stored.filter(({ name }) => !extra.some((other) => Buffer.compare(other.name, name) === 0)),
    ]);
  });
}
