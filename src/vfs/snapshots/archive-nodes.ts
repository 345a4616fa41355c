import { LRUCache } from 'lru-cache';
import type { AttributeRecord } from '../../archive/attributes-record.js';
import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import type { ListedEntry } from '../../archive/reader.js';
import { isFolder } from '../../catalog/inode.js';
import type { ChunkStore } from '../../chunkstore/chunk-store.js';
import type { ReadPiece } from '../../content/transfer.js';
import { CairnError } from '../../core/errors.js';
import { absentXattr } from '../absent-xattr.js';
import type { Attributes, Awaitable, FolderEntry, NodeId } from '../api.js';
import type { MetadataCache } from './chunk-stream.js';
import type { SnapshotNodes, SnapshotPieces } from './snapshot-nodes.js';
import { openSnapshotTree, type SnapshotTree, type TreeIndexes, then, xattrsOf } from './snapshot-tree.js';

/** Plain bytes of metadata kept for all snapshots together. */
const METADATA_CACHE_BYTES = 40 * 1024 * 1024;
/** Snapshots kept open: each holds its indexes in memory. */
const OPEN_TREES = 8;
const BLOCK_BYTES = 512;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const COOKIE_OF_DOT = 1;
const COOKIE_OF_DOT_DOT = 2;
/** The archive's cookies start behind those of `.` and `..`. */
const COOKIE_SHIFT = 2;
const DOT = Buffer.from('.');
const DOT_DOT = Buffer.from('..');

/** The nodes of all snapshots of a datastore. Trees are opened when first used and kept while they are in use. */
export class ArchiveNodes implements SnapshotNodes {
  readonly #chunks: Pick<ChunkStore, 'load' | 'read' | 'readAheadBytes'>;
  readonly #indexesOf: (archive: number) => Promise<TreeIndexes>;
  readonly #cache: MetadataCache;
  readonly #trees = new LRUCache<number, SnapshotTree>({ max: OPEN_TREES });
  readonly #opening = new Map<number, Promise<SnapshotTree>>();

  /** @param indexesOf reads the index files of a snapshot; rejects with `stale` where it was forgotten */
  constructor(
    chunks: Pick<ChunkStore, 'load' | 'read' | 'readAheadBytes'>,
    indexesOf: (archive: number) => Promise<TreeIndexes>,
  ) {
    this.#chunks = chunks;
    this.#indexesOf = indexesOf;
    this.#cache = new LRUCache({ maxSize: METADATA_CACHE_BYTES, sizeCalculation: (bytes) => bytes.length });
  }

  root(archive: number): Awaitable<Attributes> {
    return then(this.#tree(archive), (tree) => this.#attributes(archive, tree, tree.archive.root));
  }

  get(node: NodeId): Awaitable<Attributes> {
    return then(this.#tree(node.archive), (tree) => this.#attributes(node.archive, tree, node.position));
  }

  lookup(parent: NodeId, name: Uint8Array): Awaitable<Attributes | undefined> {
    return then(this.#tree(parent.archive), (tree) =>
      then(tree.archive.lookup(parent.position, name), (entry) =>
        entry === undefined ? undefined : this.#entryAttributes(parent.archive, tree, entry),
      ),
    );
  }

  readLink(node: NodeId): Awaitable<Uint8Array> {
    return this.#withEntry(node, (_tree, { target }) => {
      if (target === undefined) throw new CairnError('invalid', 'Not a symbolic link');
      return target;
    });
  }

  async list(node: NodeId, cookie: number, limit: number, above: () => Attributes): Promise<readonly FolderEntry[]> {
    const tree = await this.#tree(node.archive);
    const entries: FolderEntry[] = [];
    if (cookie < COOKIE_OF_DOT_DOT) {
      const own = await this.#attributes(node.archive, tree, node.position);
      if (cookie < COOKIE_OF_DOT) entries.push({ cookie: COOKIE_OF_DOT, name: DOT, attributes: own });
      const parent = node.position === tree.archive.root ? above() : this.#parent(node, tree);
      entries.push({ cookie: COOKIE_OF_DOT_DOT, name: DOT_DOT, attributes: await parent });
    }
    if (entries.length >= limit) return entries.slice(0, limit);
    const after = Math.max(0, cookie - COOKIE_SHIFT);
    for (const listed of await tree.archive.list(node.position, after, limit - entries.length)) {
      const attributes = this.#entryAttributes(node.archive, tree, listed.entry);
      entries.push(folderEntry(listed, attributes instanceof Promise ? await attributes : attributes));
    }
    return entries;
  }

  xattr(node: NodeId, name: Uint8Array): Awaitable<Uint8Array> {
    return this.#withEntry(node, (tree, entry) =>
      then(xattrsOf(tree, entry), (xattrs) => {
        const found = xattrs.find((xattr) => Buffer.compare(xattr.name, name) === 0);
        if (found === undefined) throw absentXattr(name);
        return found.value;
      }),
    );
  }

  xattrNames(node: NodeId): Awaitable<readonly Uint8Array[]> {
    return this.#withEntry(node, (tree, entry) =>
      then(xattrsOf(tree, entry), (xattrs) => xattrs.map(({ name }) => name)),
    );
  }

  read(node: NodeId, offset: number, length: number): Awaitable<readonly ReadPiece[]> {
    return this.#withEntry(node, (tree, { payload }) => {
      if (payload === undefined) throw new CairnError('invalid', 'Not a regular file');
      return tree.content.read(payload, offset, length);
    });
  }

  pieces(node: NodeId, offset: number, length: number, most: number): Awaitable<SnapshotPieces> {
    return this.#withEntry(node, (tree, { payload }) => {
      if (payload === undefined) throw new CairnError('invalid', 'Not a regular file');
      return tree.content.pieces(payload, offset, length, most);
    });
  }

  seek(node: NodeId, offset: number, whence: number): Awaitable<number> {
    return this.#withEntry(node, (tree, entry) =>
      then(tree.record(entry.position), (record) => {
        if (whence !== SEEK_DATA && whence !== SEEK_HOLE) throw new CairnError('invalid', `Cannot seek with ${whence}`);
        if (offset >= entry.size) throw new CairnError('no-data-here', 'Offset is behind the end of the file');
        return whence === SEEK_DATA ? nextData(record, offset, entry.size) : nextHole(record, offset, entry.size);
      }),
    );
  }

  /** The snapshot was forgotten: its nodes are stale from now on. */
  forget(archive: number): void {
    this.#trees.delete(archive);
    this.#opening.delete(archive);
  }

  /** Of a folder that is not the root. Where the archive does not say which it is in, the root stands for that one. */
  #parent({ archive, position }: NodeId, tree: SnapshotTree): Awaitable<Attributes> {
    return then(tree.record(position), (record) =>
      this.#attributes(archive, tree, record?.folder?.parent ?? tree.archive.root),
    );
  }

  #withEntry<T>(node: NodeId, use: (tree: SnapshotTree, entry: ArchiveEntry) => Awaitable<T>): Awaitable<T> {
    return then(this.#tree(node.archive), (tree) =>
      then(tree.archive.entry(node.position), (entry) => use(tree, entry)),
    );
  }

  #tree(archive: number): Awaitable<SnapshotTree> {
    return this.#trees.get(archive) ?? this.#open(archive);
  }

  #open(archive: number): Promise<SnapshotTree> {
    const running = this.#opening.get(archive);
    if (running !== undefined) return running;
    const opening = this.#indexesOf(archive)
      .then((indexes) => openSnapshotTree(indexes, this.#chunks, this.#cache))
      .then((tree) => {
        if (this.#opening.get(archive) !== opening) throw new CairnError('stale', 'The snapshot was forgotten');
        this.#trees.set(archive, tree);
        return tree;
      })
      .finally(() => {
        if (this.#opening.get(archive) === opening) this.#opening.delete(archive);
      });
    this.#opening.set(archive, opening);
    return opening;
  }

  #attributes(archive: number, tree: SnapshotTree, position: number): Awaitable<Attributes> {
    return then(tree.archive.entry(position), (entry) => this.#entryAttributes(archive, tree, entry));
  }

  #entryAttributes(archive: number, tree: SnapshotTree, entry: ArchiveEntry): Awaitable<Attributes> {
    const record = tree.record(entry.position);
    if (record instanceof Promise) return record.then((loaded) => attributesOf(archive, entry, loaded));
    return attributesOf(archive, entry, record);
  }
}

function folderEntry({ cookie, name }: ListedEntry, attributes: Attributes): FolderEntry {
  return { cookie: cookie + COOKIE_SHIFT, name, attributes };
}

/** An entry that is the same inode as an earlier one shows that one's node. */
function attributesOf(archive: number, entry: ArchiveEntry, record: AttributeRecord | undefined): Attributes {
  const { mtimeSec, mtimeNsec, payload, size } = entry;
  const holes = record?.holes.reduce((sum, { start, end }) => sum + end - start, 0) ?? 0;
  const attributes: { -readonly [Key in keyof Attributes]: Attributes[Key] } = {
    node: { archive, position: record?.sameAs ?? entry.position },
    mode: entry.mode,
    nlink: record?.nlink ?? (isFolder(entry.mode) ? 2 : 1),
    uid: entry.uid,
    gid: entry.gid,
    rdev: entry.rdev,
    size,
    blocks: payload === undefined ? 0 : Math.ceil(Math.max(0, size - holes) / BLOCK_BYTES),
    atimeSec: record?.atime?.seconds ?? mtimeSec,
    atimeNsec: record?.atime?.nanoseconds ?? mtimeNsec,
    mtimeSec,
    mtimeNsec,
    ctimeSec: record?.ctime?.seconds ?? mtimeSec,
    ctimeNsec: record?.ctime?.nanoseconds ?? mtimeNsec,
  };
  if (record?.btime !== undefined) {
    attributes.btimeSec = record.btime.seconds;
    attributes.btimeNsec = record.btime.nanoseconds;
  }
  return attributes;
}

function nextHole(record: AttributeRecord | undefined, offset: number, size: number): number {
  const hole = record?.holes.find(({ end }) => end > offset);
  return hole === undefined ? size : Math.max(offset, hole.start);
}

function nextData(record: AttributeRecord | undefined, offset: number, size: number): number {
  const hole = record?.holes.find(({ start, end }) => start <= offset && offset < end);
  if (hole === undefined) return offset;
  if (hole.end >= size) throw new CairnError('no-data-here', 'No data behind this offset');
  return hole.end;
}
