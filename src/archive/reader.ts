import { LRUCache } from 'lru-cache';
import { CairnError } from '../core/errors.js';
import { sipHash24 } from '../native/hash.js';
import { ByteSource, ByteWindow, type ReadBytes } from './byte-source.js';
import { readU64 } from './bytes.js';
import { type ArchiveEntry, ENTRY_READ_AHEAD, itemAt, parseChildHead, parseEntry, parseName } from './entry-decoder.js';
import {
  childPositions,
  type FolderTable,
  findInTable,
  firstAbove,
  type TableItem,
  tableEndingAt,
  walkFolder,
} from './folder-table.js';
import { ItemCursor } from './item-cursor.js';
import { ITEM_HEADER_BYTES, Item } from './items.js';
import { linkTargets } from './link-targets.js';
import { PAYLOAD_HEADER_BYTES } from './payload-items.js';
import { type Awaitable, run, type Steps, settled } from './steps.js';
import { parseXattrs } from './xattr-decoder.js';
import type { Xattr } from './xattrs.js';

/** What leads from a folder to the one it is in. */
export interface FolderLink {
  /** Position of the parent's ENTRY. */
  readonly parent: number;
  /** Length of the folder's name in bytes. */
  readonly nameLength: number;
}

/** What a reader needs to know of an archive. */
export interface ArchiveReaderOptions {
  readonly read: ReadBytes;
  /** Length in bytes of the archive; of a split one, of its metadata stream. */
  readonly size: number;
  /** Length in bytes of a split archive's payload stream; where given, payloads beyond it are refused. */
  readonly payloadSize?: number;
  /** Where known (attributes stream), spares a walk when a folder is asked for that no lookup led to. */
  readonly folderLink?: (entryPosition: number) => Awaitable<FolderLink | undefined>;
  /** How many decoded entries to keep. */
  readonly cachedEntries?: number;
  /** How many bytes of folders' child lists to keep; one is kept whatever its size. */
  readonly cachedListBytes?: number;
}

/** A name in a folder. */
export interface ListedEntry {
  /** What to pass to `list` to go on behind this name: position of its FILENAME. */
  readonly cookie: number;
  /** Where the child ends with all that is in it, as far as its folder's table tells. */
  readonly end: number;
  readonly name: Uint8Array;
  /** Of a hard link, its target's. */
  readonly entry: ArchiveEntry;
}

/** What is known of a folder's place before its table was found. */
interface Origin {
  /** Where the parent's table claims that it ends. */
  readonly claimedEnd: number | undefined;
  readonly parent: number;
  /** Position of its FILENAME. */
  readonly start: number;
}

interface OpenedFolder {
  readonly table: FolderTable;
  /** Positions of the children's FILENAMEs, where they were needed already. */
  readonly positions: Float64Array | undefined;
}

const CACHED_ENTRIES = 16_384;
const CACHED_LIST_BYTES = 32 * 1024 * 1024;
const CACHED_ENDS = 65_536;
const FOLDER_BYTES = 128;
const LIST_READ_AHEAD = 4096;
/** Links followed from a folder towards the root before walking is the better way. */
const MAX_LINKS = 256;

/** Options of a cache that takes memory as it fills: by `max` it would take all at once, megabytes for each archive. */
function growingTo(count: number): { maxSize: number; sizeCalculation: () => number } {
  return { maxSize: count, sizeCalculation: () => 1 };
}

/**
 * Random access to an archive of either version, ours or PBS's, straight from its bytes. Answers come at once where
 * all bytes needed are at hand, else as a promise; calls may overlap. All methods throw (or reject with) CairnError
 * `corrupt` where the archive is malformed, `not-a-directory` for children of what is no folder, and whatever
 * `read` throws.
 */
export class ArchiveReader {
  /** Position of the root's ENTRY. */
  readonly root: number;
  readonly #source: ByteSource;
  readonly #split: boolean;
  readonly #options: ArchiveReaderOptions;
  readonly #rootTable: FolderTable;
  readonly #entries: LRUCache<number, ArchiveEntry>;
  readonly #folders: LRUCache<number, OpenedFolder>;
  readonly #origins = new LRUCache<number, Origin>(growingTo(CACHED_ENDS));
  /** Where folders end, as found by walking. */
  readonly #walkedEnds = new LRUCache<number, number>(growingTo(CACHED_ENDS));
  readonly #walks = new Map<number, Promise<number>>();
  readonly #hash = new BigUint64Array(1);
  readonly #hashWords = new Uint32Array(this.#hash.buffer);

  private constructor(source: ByteSource, head: ArchiveHead, rootTable: FolderTable, options: ArchiveReaderOptions) {
    const budget = options.cachedListBytes ?? CACHED_LIST_BYTES;
    this.root = head.root;
    this.#split = head.split;
    this.#source = source;
    this.#rootTable = rootTable;
    this.#options = options;
    this.#entries = new LRUCache(growingTo(options.cachedEntries ?? CACHED_ENTRIES));
    this.#folders = new LRUCache({
      maxSize: budget,
      sizeCalculation: ({ positions }) => Math.min(budget, FOLDER_BYTES + (positions?.byteLength ?? 0)),
    });
  }

  /**
   * Opens an archive by its ends.
   * @throws {CairnError} `corrupt` where it is none
   */
  static open(options: ArchiveReaderOptions): Awaitable<ArchiveReader> {
    const source = new ByteSource(options.read, options.size);
    return run(
      (function* (): Steps<ArchiveReader> {
        const window = new ByteWindow(source, ENTRY_READ_AHEAD);
        const head = yield* window.read(0, () => parseHead(window));
        const table =
          (yield* tableEndingAt(source, source.size, head.root)) ??
          (yield* tableEndingAt(source, source.size, head.root, 0));
        if (table === undefined) throw new CairnError('corrupt', 'Archive does not end in the table of its root');
        return new ArchiveReader(source, head, table, options);
      })(),
    );
  }

  /** The entry whose ENTRY is at `position`, which a lookup, a listing or `root` gave. */
  entry(position: number): Awaitable<ArchiveEntry> {
    return this.#entries.get(position) ?? run(this.#entry(position));
  }

  /** The entry's extended attributes as Linux has them, ACLs and capabilities among them. */
  xattrs(position: number): Awaitable<Xattr[]> {
    return run(this.#xattrs(position));
  }

  /** The entry of this name in the folder whose ENTRY is at `folder`, or undefined where there is none. */
  lookup(folder: number, name: Uint8Array): Awaitable<ArchiveEntry | undefined> {
    return run(this.#lookup(folder, name));
  }

  /**
   * Names of the folder whose ENTRY is at `folder`, in archive order, at most `limit`; none at the end.
   * @param after 0 to begin, else the cookie of the last name seen
   */
  list(folder: number, after: number, limit: number): Awaitable<ListedEntry[]> {
    return run(this.#list(folder, after, limit));
  }

  /** The archive item by item, from the root's ENTRY on. */
  fromRoot(): ItemCursor {
    return new ItemCursor(this.#options.read, this.#options.size, this.root);
  }

  /** Positions of the ENTRYs that hard links in the folder, at whatever depth, lead to; goes through all of it. */
  linkTargets(folder: number): Promise<Set<number>> {
    return linkTargets(this.#options.read, this.#options.size, folder);
  }

  /** How many names the folder has. */
  childCount(folder: number): Awaitable<number> {
    return run(this.#childCount(folder));
  }

  *#entry(position: number, window?: ByteWindow): Steps<ArchiveEntry> {
    const cached = this.#entries.get(position);
    if (cached !== undefined) return cached;
    const seen = window ?? new ByteWindow(this.#source, ENTRY_READ_AHEAD);
    const entry = yield* seen.read(position, () => parseEntry(seen, position));
    this.#checkPayload(entry, position);
    this.#entries.set(position, entry);
    return entry;
  }

  #checkPayload(entry: ArchiveEntry, position: number): void {
    if (entry.payload === undefined) return;
    const { offset, size, inline } = entry.payload;
    const streamSize = inline ? this.#source.size : (this.#options.payloadSize ?? Number.MAX_SAFE_INTEGER);
    if (inline === this.#split || offset + PAYLOAD_HEADER_BYTES + size > streamSize) {
      throw new CairnError('corrupt', `Payload of the entry at byte ${position} is where none can be`);
    }
  }

  *#xattrs(position: number): Steps<Xattr[]> {
    const entry = yield* this.#entry(position);
    if (!entry.hasXattrs) return [];
    const window = new ByteWindow(this.#source, ENTRY_READ_AHEAD);
    return yield* window.read(position, () => parseXattrs(window, entry));
  }

  *#lookup(folder: number, name: Uint8Array): Steps<ArchiveEntry | undefined> {
    const { table } = yield* this.#folder(folder);
    this.#hash[0] = sipHash24(name);
    const hash = { low: this.#hashWords[0] as number, high: this.#hashWords[1] as number };
    const reader = this;
    return yield* findInTable(this.#source, table, hash, function* (item): Steps<ArchiveEntry | undefined> {
      const window = new ByteWindow(reader.#source, ENTRY_READ_AHEAD);
      const child = yield* reader.#child(table, item, window);
      return Buffer.compare(child.name, name) === 0 ? child.entry : undefined;
    });
  }

  *#list(folder: number, after: number, limit: number): Steps<ListedEntry[]> {
    const opened = yield* this.#folder(folder);
    const positions = yield* this.#positions(opened);
    const listed: ListedEntry[] = [];
    const window = new ByteWindow(this.#source, LIST_READ_AHEAD);
    const first = firstAbove(positions, after);
    const last = Math.min(positions.length, first + limit);
    for (let i = first; i < last; i += 1) {
      const start = positions[i] as number;
      // A child ends where the next one starts, whatever the table claims (pbs-format §6.3).
      const item = { start, claimedEnd: positions[i + 1] ?? opened.table.goodbyePosition };
      listed.push(this.#childInSight(item, window) ?? (yield* this.#child(opened.table, item, window)));
    }
    return listed;
  }

  /**
   * A child whose bytes are in the window, as most of a listing's are: no steps, and nothing is kept of it. Undefined where
   * they are not, for a folder and for a hard link.
   */
  #childInSight({ start, claimedEnd }: TableItem, window: ByteWindow): ListedEntry | undefined {
    return window.attempt(() => {
      const { name, leadsTo, isHardLink } = parseChildHead(window, start);
      if (isHardLink) return undefined;
      const entry = parseEntry(window, leadsTo);
      if (entry.kind === 'folder') return undefined;
      this.#checkPayload(entry, leadsTo);
      return { cookie: start, end: claimedEnd, name, entry };
    });
  }

  *#childCount(folder: number): Steps<number> {
    return (yield* this.#folder(folder)).table.count;
  }

  *#child(table: FolderTable, { start, claimedEnd }: TableItem, window: ByteWindow): Steps<ListedEntry> {
    const { name, leadsTo, isHardLink } = yield* window.read(start, () => parseChildHead(window, start));
    const entry = isHardLink ? yield* this.#linkTarget(leadsTo) : yield* this.#entry(leadsTo, window);
    if (entry.kind === 'folder') {
      this.#origins.set(entry.position, { claimedEnd, parent: table.entryPosition, start });
    }
    return { cookie: start, end: claimedEnd, name, entry };
  }

  *#linkTarget(filenamePosition: number): Steps<ArchiveEntry> {
    const window = new ByteWindow(this.#source, ENTRY_READ_AHEAD);
    const { end } = yield* window.read(filenamePosition, () => parseName(window, filenamePosition));
    const entry = yield* this.#entry(end, window);
    if (entry.kind === 'folder') {
      throw new CairnError('corrupt', `Hard link leads to the folder at byte ${filenamePosition}`);
    }
    return entry;
  }

  *#positions(folder: OpenedFolder): Steps<Float64Array> {
    if (folder.positions !== undefined) return folder.positions;
    const positions = yield* childPositions(this.#source, folder.table);
    this.#folders.set(folder.table.entryPosition, { table: folder.table, positions });
    return positions;
  }

  *#folder(position: number, links = 0): Steps<OpenedFolder> {
    const cached = this.#folders.get(position);
    if (cached !== undefined) return cached;
    const entry = yield* this.#entry(position);
    if (entry.kind !== 'folder') throw new CairnError('not-a-directory', `Entry at byte ${position} is no folder`);
    const table = position === this.root ? this.#rootTable : yield* this.#findTable(position, links);
    const opened: OpenedFolder = { table, positions: undefined };
    this.#folders.set(position, opened);
    return opened;
  }

  /**
   * The table of a folder that is not the root: where the parent's table claims, else before the next sibling,
   * else by walking.
   */
  *#findTable(position: number, links: number): Steps<FolderTable> {
    const origin = this.#origins.get(position) ?? (yield* this.#linkedOrigin(position, links));
    let table: FolderTable | undefined;
    if (origin?.claimedEnd !== undefined) table = yield* tableEndingAt(this.#source, origin.claimedEnd, position);
    const walked = this.#walkedEnds.get(position);
    if (table === undefined && walked !== undefined) table = yield* tableEndingAt(this.#source, walked, position);
    if (table === undefined && origin !== undefined && links < MAX_LINKS) {
      const parent = yield* this.#folder(origin.parent, links + 1);
      const positions = yield* this.#positions(parent);
      const end = positions[firstAbove(positions, origin.start)] ?? parent.table.goodbyePosition;
      table = yield* tableEndingAt(this.#source, end, position);
    }
    if (table !== undefined) return table;
    const found = yield* tableEndingAt(this.#source, yield* this.#walk(position), position);
    if (found === undefined) throw new CairnError('corrupt', `Folder at byte ${position} has a malformed table`);
    return found;
  }

  *#linkedOrigin(position: number, links: number): Steps<Origin | undefined> {
    if (this.#options.folderLink === undefined || links >= MAX_LINKS) return undefined;
    const link = yield* settled(this.#options.folderLink(position));
    if (link === undefined || link.parent >= position) return undefined;
    const start = position - ITEM_HEADER_BYTES - link.nameLength - 1;
    return { claimedEnd: undefined, parent: link.parent, start };
  }

  /** Where the folder ends, found by walking; two who ask share one walk. */
  *#walk(position: number): Steps<number> {
    const running = this.#walks.get(position);
    if (running !== undefined) return yield* settled(running);
    const walking = run(walkFolder(this.#source, position, (folder, end) => this.#walkedEnds.set(folder, end)));
    if (!(walking instanceof Promise)) return walking;
    this.#walks.set(position, walking);
    try {
      return yield* settled(walking);
    } finally {
      this.#walks.delete(position);
    }
  }
}

interface ArchiveHead {
  /** Position of the root's ENTRY. */
  readonly root: number;
  readonly split: boolean;
}

/**
 * What stands before the root: nothing in version 1; FORMAT_VERSION and perhaps PRELUDE in version 2 (pbs-format
 * §6.3).
 */
function parseHead(window: ByteWindow): ArchiveHead {
  const first = itemAt(window, 0);
  if (first.type !== Item.formatVersion) return { root: 0, split: false };
  const version = readU64(window.bytes, window.at(ITEM_HEADER_BYTES, 8));
  if (first.length !== ITEM_HEADER_BYTES + 8 || version !== 2) {
    throw new CairnError('unsupported', `Archive has the format version ${version}; known are 1 and 2`);
  }
  const second = itemAt(window, first.length);
  const root = second.type === Item.prelude ? first.length + second.length : first.length;
  return { root, split: true };
}
