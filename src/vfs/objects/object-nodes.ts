import { LRUCache } from 'lru-cache';
import { PAYLOAD_HEADER_BYTES } from '../../archive/payload-items.js';
import type { ObjectRows } from '../../catalog/objects.js';
import type { ChunkStore } from '../../chunkstore/chunk-store.js';
import type { ReadPiece } from '../../content/transfer.js';
import { CairnError } from '../../core/errors.js';
import type { StoredObject } from '../../core/stored-object.js';
import type { ChunkIndex } from '../../index/chunk-index.js';
import { sha256Sync } from '../../native/hash.js';
import type { Attributes, Awaitable, FolderEntry, NodeId } from '../api.js';
import { S_IFDIR, S_IFREG } from '../file-mode.js';
import { PayloadReader } from '../snapshots/payload-reader.js';
import { fileNameOfObject, objectOfFileName } from './object-names.js';

/** Archive number of all objects: the last one, which no snapshot is given before 2^24 - 2 others were. */
export const OBJECTS_ARCHIVE = 2 ** 24 - 1;
const FOLDER_POSITION = 1;
const BLOCK_BYTES = 512;
/** Objects whose index files stay in memory. */
const OPEN_OBJECTS = 16;
/** More than one listing shows before its references are counted. */
const SHOWN_OBJECTS = 8192;
/** Positions have 40 bits. */
const POSITIONS = 2 ** 40;
const COOKIE_SHIFT = 2;

/** The folder of all objects. */
export const OBJECTS_FOLDER_NODE: NodeId = { archive: OBJECTS_ARCHIVE, position: FOLDER_POSITION };

/** Where objects come from. */
export interface ObjectSources {
  readonly objects: Pick<ObjectRows, 'find' | 'list'>;
  readonly chunks: Pick<ChunkStore, 'load' | 'read' | 'readAheadBytes'>;
  /** Reads an index file by its path in the datastore. */
  loadIndex(path: string): Promise<ChunkIndex>;
  /** Attributes of the mount's root, whose owner owns the objects. */
  root(): Awaitable<Attributes>;
}

/** One version of an object, and how many references the kernel holds to its node. */
interface Known {
  readonly object: StoredObject;
  readonly node: NodeId;
  references: number;
}

/** How far a listing came. */
interface Listing {
  readonly cookie: number;
  readonly from: Buffer;
}

/** Objects as files of one folder, for their owner alone. A version of an object is a node of its own. */
export class ObjectNodes {
  readonly #sources: ObjectSources;
  /** What the kernel knows, by position. */
  readonly #referenced = new Map<number, Known>();
  /** What it was shown a moment ago. */
  readonly #shown = new LRUCache<number, Known>({ max: SHOWN_OBJECTS });
  readonly #readers = new LRUCache<string, PayloadReader>({ max: OPEN_OBJECTS });

  constructor(sources: ObjectSources) {
    this.#sources = sources;
  }

  async lookup(name: Uint8Array): Promise<Attributes | undefined> {
    const id = objectOfFileName(name);
    const object = id === undefined ? undefined : this.#sources.objects.find(id);
    if (object === undefined || object.deleted !== undefined) return undefined;
    const known = this.#known(object);
    this.reference(known.node);
    return fileAttributes(known, await this.#sources.root());
  }

  async get(node: NodeId): Promise<Attributes> {
    const root = await this.#sources.root();
    return node.position === FOLDER_POSITION ? folderAttributes(root) : fileAttributes(this.#require(node), root);
  }

  /** Entries behind `cookie`, the places of objects in the order of their ids; `from` is where the listing came last. */
  async list(
    cookie: number,
    limit: number,
    from: Listing | undefined,
  ): Promise<{ readonly entries: FolderEntry[]; readonly reached: Listing | undefined }> {
    const root = await this.#sources.root();
    const entries: FolderEntry[] = [];
    if (cookie < 1) entries.push({ cookie: 1, name: Buffer.from('.'), attributes: folderAttributes(root) });
    if (cookie < COOKIE_SHIFT) entries.push({ cookie: COOKIE_SHIFT, name: Buffer.from('..'), attributes: root });
    let at = Math.max(cookie, COOKIE_SHIFT);
    let reached = from?.cookie === at ? from : this.#skipTo(at);
    for (;;) {
      const some = this.#sources.objects.list(reached.from, Math.max(1, limit - entries.length));
      for (const object of some) {
        at += 1;
        const name = fileNameOfObject(object.id);
        if (name === undefined) continue;
        entries.push({ cookie: at, name, attributes: fileAttributes(this.#known(object), root) });
      }
      const last = some.at(-1);
      if (last !== undefined) reached = { cookie: at, from: behind(last.id) };
      // Nothing at all would mean the end of the folder.
      if (last === undefined || entries.length > 0) return { entries: entries.slice(0, limit), reached };
    }
  }

  read(node: NodeId, offset: number, length: number): Awaitable<readonly ReadPiece[]> {
    const { object } = this.#require(node);
    if (object.indexPath === undefined) return [];
    // As if a payload header stood before it.
    const place = { offset: -PAYLOAD_HEADER_BYTES, size: object.bytes };
    const reader = this.#readers.get(object.indexPath);
    if (reader !== undefined) return reader.read(place, offset, length);
    return this.#open(object.indexPath).then((opened) => opened.read(place, offset, length));
  }

  size(node: NodeId): number {
    return this.#require(node).object.bytes;
  }

  /** The kernel gets one more reference to what it was shown. */
  reference({ position }: NodeId): void {
    const known = this.#referenced.get(position) ?? this.#shown.get(position);
    if (known === undefined) return;
    known.references += 1;
    this.#referenced.set(position, known);
  }

  /** The kernel gives `count` of them back. */
  forget({ position }: NodeId, count: number): void {
    const known = this.#referenced.get(position);
    if (known === undefined) return;
    known.references -= count;
    if (known.references <= 0) this.#referenced.delete(position);
  }

  async #open(path: string): Promise<PayloadReader> {
    const index = await this.#sources.loadIndex(path);
    const reader = new PayloadReader(index, this.#sources.chunks);
    this.#readers.set(path, reader);
    return reader;
  }

  /** The same place each time, by the version's hash; the next one where that is another's. */
  #known(object: StoredObject): Known {
    const version = versionOf(object);
    const hash = sha256Sync(Buffer.from(version));
    let position = Buffer.from(hash).readUIntBE(0, 5);
    for (; ; position = (position + 1) % POSITIONS) {
      if (position <= FOLDER_POSITION) continue;
      const there = this.#referenced.get(position) ?? this.#shown.get(position);
      if (there !== undefined && versionOf(there.object) !== version) continue;
      const known = there ?? { object, node: { archive: OBJECTS_ARCHIVE, position }, references: 0 };
      this.#shown.set(position, known);
      return known;
    }
  }

  #require({ position }: NodeId): Known {
    const known = this.#referenced.get(position) ?? this.#shown.get(position);
    if (known === undefined) throw new CairnError('stale', 'The object is not known any more');
    return known;
  }

  /** Where the object of a place is, counted from the first one: for whoever seeks in the folder. */
  #skipTo(cookie: number): Listing {
    let left = cookie - COOKIE_SHIFT;
    let from: Buffer = Buffer.alloc(0);
    while (left > 0) {
      const some = this.#sources.objects.list(from, Math.min(left, 1000));
      const last = some.at(-1);
      if (last === undefined) break;
      from = behind(last.id);
      left -= some.length;
    }
    return { cookie, from };
  }
}

function versionOf({ id, indexPath, created }: StoredObject): string {
  return `${created}/${indexPath ?? ''}/${id}`;
}

/** The first bytes behind an id's in the order of bytes. */
function behind(id: string): Buffer {
  return Buffer.concat([Buffer.from(id), Buffer.alloc(1)]);
}

function folderAttributes(root: Attributes): Attributes {
  return { ...root, node: OBJECTS_FOLDER_NODE, mode: S_IFDIR | 0o500, nlink: 2, size: 0, blocks: 0 };
}

function fileAttributes({ object, node }: Known, { uid, gid }: Attributes): Attributes {
  const seconds = Math.floor(object.created / 1000);
  const nanoseconds = (object.created % 1000) * 1_000_000;
  return {
    ...{ node, mode: S_IFREG | 0o400, nlink: 1, uid, gid, rdev: 0, size: object.bytes },
    blocks: Math.ceil(object.bytes / BLOCK_BYTES),
    ...{ atimeSec: seconds, mtimeSec: seconds, ctimeSec: seconds, btimeSec: seconds },
    ...{ atimeNsec: nanoseconds, mtimeNsec: nanoseconds, ctimeNsec: nanoseconds, btimeNsec: nanoseconds },
  };
}
