import type { AttributesReader } from '../archive/attributes-reader.js';
import type { AttributeRecord } from '../archive/attributes-record.js';
import type { ArchiveEntry } from '../archive/entry-decoder.js';
import type { ArchiveReader } from '../archive/reader.js';
import type { Xattr } from '../archive/xattrs.js';
import { CairnError } from '../core/errors.js';
import type { ChunkIndex } from '../index/chunk-index.js';

/** The answer itself where it is at hand, else a promise of it. */
type Awaitable<T> = T | Promise<T>;

/** A snapshot's tree, open for reading. All reject with `corrupt` where it is malformed, and as chunks do. */
export interface TreeView {
  readonly archive: ArchiveReader;
  /** The payload stream; of a tree that is not split, the archive itself. */
  readonly payload: ChunkIndex;
  /** What the archive cannot say of an entry; undefined where PBS made the snapshot. */
  record(entryPosition: number): Awaitable<AttributeRecord | undefined>;
  /** Absent where PBS made the snapshot. */
  readonly streams?: TreeStreams | undefined;
  /** All extended attributes of an entry, ACLs among them. */
  xattrs(entry: ArchiveEntry): Awaitable<readonly Xattr[]>;
}

/** A snapshot of ours: it tells change times. */
export interface RecordedTree extends TreeView {
  readonly streams: TreeStreams;
}

/** The streams that say all of a tree but its files' content. */
export interface TreeStreams {
  readonly metadata: ChunkIndex;
  readonly attributes: ChunkIndex;
  readonly records: Pick<AttributesReader, 'pagesOf' | 'stored'>;
}

/** A name in a folder of a tree. */
export interface TreeChild {
  readonly name: Uint8Array;
  /** Where in the metadata stream it ends with all that is in it. */
  readonly end: number;
  /** Of a hard link, its target's. */
  readonly entry: ArchiveEntry;
}

const CHILDREN_AT_ONCE = 256;

/** The children of a folder, in archive order. */
export async function* childrenOf(view: TreeView, folder: number): AsyncGenerator<TreeChild> {
  for (let after = 0; ; ) {
    const listed = await view.archive.list(folder, after, CHILDREN_AT_ONCE);
    yield* listed;
    const last = listed.at(-1);
    if (last === undefined) return;
    after = last.cookie;
  }
}

/** The inode an entry is a name of: names of one inode have the same. */
export async function inodeOf(view: TreeView, entry: ArchiveEntry): Promise<number> {
  return (await view.record(entry.position))?.sameAs ?? entry.position;
}

/** The entry at a path (components as bytes), or undefined where there is none. */
export async function entryAt(view: TreeView, path: readonly Uint8Array[]): Promise<ArchiveEntry | undefined> {
  let entry = await view.archive.entry(view.archive.root);
  for (const name of path) {
    if (entry.kind !== 'folder') return undefined;
    const next = await view.archive.lookup(entry.position, name);
    if (next === undefined) return undefined;
    entry = next;
  }
  return entry;
}

/** As `entryAt`. @throws {CairnError} `not-found` */
export async function requireEntryAt(view: TreeView, path: string): Promise<ArchiveEntry> {
  const entry = await entryAt(view, componentsOf(path));
  if (entry === undefined) throw new CairnError('not-found', `There is no ${path} in the snapshot`);
  return entry;
}

/** The components of a relative path. */
export function componentsOf(path: string): Buffer[] {
  return path
    .split('/')
    .filter((part) => part !== '')
    .map((part) => Buffer.from(part));
}
