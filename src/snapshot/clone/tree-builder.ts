import type { AttributeRecord } from '../../archive/attributes-record.js';
import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import type { ChunkExtent } from '../../catalog/extent.js';
import {
  CHUNKER_DYNAMIC,
  CHUNKER_FIXED,
  type Inode,
  ROLE_ORDINARY,
  type Role,
  STORAGE_PACKED,
} from '../../catalog/inode.js';
import type { Catalog } from '../../catalog/open.js';
import { chunkerFor } from '../../chunk/chunker-choice.js';
import { PACKED_LIMIT_BYTES } from '../../chunk/limits.js';
import type { ChangeLog } from '../../content/change-log.js';
import { storageOf } from '../../content/storage.js';
import { digestHex } from '../../core/digest.js';
import { CairnError } from '../../core/errors.js';
import type { Clock } from '../../core/time.js';
import { turn } from '../create/turns.js';
import { type PayloadPiece, piecesOf } from '../payload-bytes.js';
import { childrenOf, type TreeView } from '../tree-view.js';

/** What building a tree works on; the mount worker's own. */
export interface BuilderParts {
  readonly catalog: Catalog;
  readonly log: Pick<ChangeLog, 'make' | 'backgroundTurn'>;
  readonly clock: Clock;
}

export interface BuilderOptions {
  /** Row of `groups` the tree is to belong to. */
  readonly group: number;
  /** Called in the same step as each change that names chunks. @throws where the source is no more, or to give up */
  requireSource(): void;
  onEntry(entries: number): void;
}

/** Entries made between two turns of the mount's requests. */
const ENTRIES_PER_TURN = 100;
/** Extents of one change: rows that one step touches (design §3). */
const EXTENTS_PER_CHANGE = 500;
/** What lies before a packed file's content in its chunk. */
const HEADER_BYTES = 16;
const NO_NAME = new Uint8Array(0);

/**
 * Makes inodes of a snapshot's entries below an inode without a name, so that nobody sees them before they are placed.
 * Files get the chunks the snapshot names: no file data is read. In steps, the mount's requests in between.
 */
export class TreeBuilder {
  readonly #parts: BuilderParts;
  readonly #view: TreeView;
  readonly #options: BuilderOptions;
  /** Inodes that may have further names, by the position of their first entry. */
  readonly #links = new Map<number, number>();
  #entries = 0;

  constructor(parts: BuilderParts, view: TreeView, options: BuilderOptions) {
    this.#parts = parts;
    this.#view = view;
    this.#options = options;
  }

  get entries(): number {
    return this.#entries;
  }

  /**
   * Makes the root of what is built, without a name and empty: `fill` is next.
   * @param name what it will be called
   * @returns its inode number
   */
  async root(entry: ArchiveEntry, role: Role, name: Uint8Array): Promise<number> {
    const record = await this.#view.record(entry.position);
    return this.#create(entry, record, 0, NO_NAME, { role, chunkerName: name });
  }

  /** Gives a file its pieces; makes what is in a folder, and gives it its own times last. */
  async fill(entry: ArchiveEntry, ino: number): Promise<void> {
    if (entry.kind === 'file') this.#content(entry, ino);
    if (entry.kind !== 'folder') return;
    for await (const { name, entry: child } of childrenOf(this.#view, entry.position)) {
      await this.#child(child, ino, name);
    }
    const { mtimeSec, mtimeNsec } = entry;
    this.#options.requireSource();
    this.#parts.log.make({ kind: 'attributes', ino, fields: { mtimeSec, mtimeNsec } });
  }

  async #child(entry: ArchiveEntry, parent: number, name: Uint8Array): Promise<void> {
    const record = await this.#view.record(entry.position);
    const inode = record?.sameAs ?? entry.position;
    const first = this.#links.get(inode);
    if (first !== undefined) {
      const { seconds: timeSec, nanoseconds: timeNsec } = this.#parts.clock.now();
      this.#options.requireSource();
      this.#parts.log.make({ kind: 'link', ino: first, parent, name, timeSec, timeNsec });
    } else {
      const ino = await this.#create(entry, record, parent, name, { role: ROLE_ORDINARY, chunkerName: name });
      await this.fill(entry, ino);
      const mayBeLinked = entry.kind !== 'folder' && (record === undefined || record.nlink > 1);
      if (mayBeLinked) this.#links.set(inode, ino);
    }
    this.#entries += 1;
    if (this.#entries % ENTRIES_PER_TURN > 0) return;
    this.#options.onEntry(this.#entries);
    await turn();
    await this.#parts.log.backgroundTurn();
  }

  async #create(
    entry: ArchiveEntry,
    record: AttributeRecord | undefined,
    parent: number,
    name: Uint8Array,
    { role, chunkerName }: { readonly role: Role; readonly chunkerName: Uint8Array },
  ): Promise<number> {
    const xattrs = [...(await this.#view.xattrs(entry))];
    const { mode, uid, gid, rdev, mtimeSec, mtimeNsec } = entry;
    const { seconds, nanoseconds } = this.#parts.clock.now();
    const target = entry.target === undefined ? null : Uint8Array.from(entry.target);
    const inode: Inode = {
      ...{ ino: this.#parts.catalog.inodes.allocate(), mode, uid, gid, rdev, mtimeSec, mtimeNsec, target, role },
      nlink: entry.kind === 'folder' ? 2 : 1,
      ...{ size: target?.length ?? 0, allocated: 0, storage: 0, version: 0, group: this.#options.group },
      chunker: chunkerFor(chunkerName) === 'fixed' ? CHUNKER_FIXED : CHUNKER_DYNAMIC,
      ...{ atimeSec: record?.atime?.seconds ?? mtimeSec, atimeNsec: record?.atime?.nanoseconds ?? mtimeNsec },
      ...{ ctimeSec: seconds, ctimeNsec: nanoseconds, btimeSec: seconds, btimeNsec: nanoseconds },
    };
    this.#options.requireSource();
    this.#parts.log.make({ kind: 'create', parent, name, inode, xattrs });
    return inode.ino;
  }

  /** Gives a file its pieces; without an await, so that the source stands while they are named. */
  #content({ payload, size, mtimeSec, mtimeNsec }: ArchiveEntry, ino: number): void {
    if (payload === undefined || size === 0) return;
    this.#options.requireSource();
    const pieces = [...piecesOf(this.#view.payload, payload)];
    const inode = this.#parts.catalog.inodes.find(ino);
    if (inode === undefined) throw new CairnError('stale', 'What was being cloned has gone');
    const { ctimeSec, ctimeNsec, chunker } = inode;
    const storage = isPacked(pieces, size) ? STORAGE_PACKED : storageOf(size);
    for (let from = 0; from < pieces.length; from += EXTENTS_PER_CHANGE) {
      const some = pieces.slice(from, from + EXTENTS_PER_CHANGE);
      const start = some[0]?.offset ?? 0;
      const next = pieces[from + EXTENTS_PER_CHANGE]?.offset ?? size;
      const extents = some.filter(({ isZeros }) => !isZeros).map((piece) => this.#extent(piece));
      this.#parts.log.make({
        ...{ kind: 'content', ino, start, end: next, extents, size: next, storage, chunker },
        ...{ mtimeSec, mtimeNsec, ctimeSec, ctimeNsec },
      });
    }
  }

  #extent({ offset, length, digest, at, chunkLength }: PayloadPiece): ChunkExtent {
    const known = this.#parts.catalog.chunks.find(digest);
    if (known !== undefined && known.state !== 'present') {
      const reason = `chunk ${digestHex(digest)} is ${known.state}: see "cairn verify" and "cairn repair"`;
      throw new CairnError('corrupt', `The snapshot cannot be cloned, ${reason}`);
    }
    const storedLength = known?.stored ?? 0;
    return { kind: 'chunk', offset, length, digest: Uint8Array.from(digest), at, chunkLength, storedLength };
  }
}

/** Whether the one piece is a packed file's: its payload header lies before it in the chunk. */
function isPacked(pieces: readonly PayloadPiece[], size: number): boolean {
  const [only] = pieces;
  return pieces.length === 1 && only !== undefined && only.at >= HEADER_BYTES && size < PACKED_LIMIT_BYTES;
}
