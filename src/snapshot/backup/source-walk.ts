import { CairnError, fromSystemError } from '../../core/errors.js';
import type { FlatListing, SourceEntry, SourceStatus } from '../../native/source.js';
import { SourceFolder, StatusNumber } from '../../native/source.js';
import type { SameLeaves, TreeChildNode } from '../create/tree-source.js';
import { Exclusions } from '../exclusions.js';
import type { BackupScope } from './backup-protocol.js';
import { type BackupRecord, errnoText } from './backup-record.js';
import { CACHE_TAG, isCacheFolder } from './cache-folder.js';
import type { EntryQueue } from './entry-queue.js';
import type { FileContents } from './file-contents.js';
import { FolderScans } from './folder-scans.js';
import type { KnownChunks } from './known-chunks.js';
import type { PreviousCursor } from './previous-cursor.js';
import type { PreviousTree } from './previous-tree.js';
import { OpenFolder } from './source-file.js';
import { descendedFolders, inodeKeyAt, nameAt, numberAt, TYPE, typeAt } from './source-listing.js';
import { SourceNode } from './source-node.js';
import type { StorePlaces } from './store-places.js';

/** What comes of a walk: a name, names that are as they were, or the end of the innermost folder. */
export type WalkEvent = TreeChildNode<SourceNode> | SameLeaves | undefined;

/** What a walk works on. */
export interface WalkParts {
  readonly scope: BackupScope;
  /** Real path of the folder. */
  readonly source: string;
  /** Left alone wherever they are. */
  readonly avoid: StorePlaces;
  readonly previous: PreviousTree | undefined;
  /** Proves chunks of that; undefined in a dry run, in which they need not be there. */
  readonly known: KnownChunks | undefined;
  readonly contents: FileContents;
  readonly record: BackupRecord;
  readonly queue: EntryQueue<WalkEvent>;
  readonly signal: AbortSignal;
}

interface Walked {
  readonly open: OpenFolder;
  /** What of it is backed up, by index. */
  readonly visible: readonly number[];
}

/**
 * Walks the source from its root to its end, names in byte order, ahead of who encodes it: folders are read before they
 * are needed, and what has to be read of files is begun.
 */
export class SourceWalk {
  readonly #parts: WalkParts;
  readonly #exclusions: Exclusions;
  readonly #before: PreviousCursor | undefined;
  /** Inodes with several names, by device and number. */
  readonly #linked = new Map<string, SourceNode>();
  #nextIno = 1;
  #device = 0;

  constructor(parts: WalkParts) {
    this.#parts = parts;
    this.#exclusions = new Exclusions(parts.scope.excludes);
    this.#before = parts.previous?.beside(parts.known, (same) => parts.queue.put(same));
  }

  /** Opens the source. @throws {CairnError} where it cannot be read */
  async open(): Promise<{ root: SourceNode; walk: () => Promise<void> }> {
    const { source, record } = this.#parts;
    let folder: SourceFolder;
    try {
      folder = await SourceFolder.open(source);
    } catch (error) {
      throw fromSystemError(error, `read ${source}`);
    }
    this.#device = numberAt(folder.listing, 0, StatusNumber.device);
    const walked = this.#visible(new OpenFolder(folder, Buffer.alloc(0)));
    const root = this.#walkedNode(walked);
    record.figures.folders += 1;
    return { root, walk: async () => this.#walk(walked, await this.#before?.enter()) };
  }

  /** Everything in the folder, and its end. @param before position of the folder in the newest snapshot, if it is there */
  async #walk(walked: Walked, before: number | undefined): Promise<void> {
    const { queue, signal } = this.#parts;
    const { open } = walked;
    const { listing } = open.folder;
    const visible = await this.#withoutCache(walked);
    const scans = new FolderScans(open.folder, this.#descended(listing, visible));
    try {
      for (const index of visible) {
        if (queue.isFull || signal.aborted) await this.#roomInQueue();
        // Most is at hand: waiting for each would cost more than all else.
        const finding = before !== undefined && this.#before?.find(listing, index);
        const found = finding instanceof Promise ? await finding : finding;
        if (typeAt(listing, index) === TYPE.folder) await this.#folder(open, index, found === true, scans.take(index));
        else {
          const taking = found && this.#before?.take(listing, index);
          const taken = taking instanceof Promise ? await taking : taking;
          if (taken) this.#parts.record.passed(listing, index);
          else await this.#leaf(open, index, found ? before : undefined);
        }
      }
    } finally {
      await scans.close();
      open.release();
    }
    if (before !== undefined) await this.#before?.leave();
    queue.put(undefined);
  }

  async #roomInQueue(): Promise<void> {
    const { contents, queue, signal } = this.#parts;
    if (signal.aborted) throw new CairnError('interrupted', 'The backup was given up');
    // Who encodes may wait for the very files that wait for more.
    await contents.flush();
    await queue.room();
  }

  /** @param scan of a folder whose entries are backed up, too @param found whether the newest snapshot has this name next */
  async #folder(
    parent: OpenFolder,
    index: number,
    found: boolean,
    scan: ReturnType<FolderScans['take']>,
  ): Promise<void> {
    const { record } = this.#parts;
    const name = nameAt(parent.folder.listing, index);
    record.figures.folders += 1;
    const path = parent.pathOf(name);
    const folder = await scan;
    if (!(folder instanceof SourceFolder)) {
      if (folder !== undefined)
        record.problem('unreadable', path, `${folder}: the snapshot has nothing of what is in it`);
      this.#put({ name, node: this.#folderNode(parent.folder.entryAt(index), 0) });
      this.#put(undefined);
      return;
    }
    const walked = this.#visible(new OpenFolder(folder, path));
    this.#put({ name, node: this.#walkedNode(walked) });
    await this.#walk(walked, found ? await this.#before?.enter() : undefined);
  }

  /** @param before position of its folder in the newest snapshot, if that has the name, too */
  async #leaf(open: OpenFolder, index: number, before: number | undefined): Promise<void> {
    const { contents, previous, record } = this.#parts;
    const { listing } = open.folder;
    const name = nameAt(listing, index);
    const hasNames = numberAt(listing, index, StatusNumber.nlink) > 1;
    const key = hasNames ? inodeKeyAt(listing, index) : undefined;
    const first = key === undefined ? undefined : this.#linked.get(key);
    if (first !== undefined) {
      record.figures.links += 1;
      this.#put({ name, node: first });
      return;
    }
    const entry = open.folder.entryAt(index);
    const node = new SourceNode(this.#nextIno++, entry, entry.status as SourceStatus);
    if (key !== undefined) this.#linked.set(key, node);
    if (typeAt(listing, index) === TYPE.file) {
      record.figures.files += 1;
      const found = before !== undefined && previous?.entry(this.#before?.entryPosition, before, name);
      contents.begin({ folder: open, name, node }, found ? await found : undefined);
    } else record.figures.others += 1;
    this.#put({ name, node });
  }

  #put(event: WalkEvent): void {
    this.#before?.flush();
    this.#parts.queue.put(event);
  }

  #walkedNode({ open, visible }: Walked): SourceNode {
    const folders = visible.filter((index) => typeAt(open.folder.listing, index) === TYPE.folder);
    return this.#folderNode(open.folder.entryAt(0), folders.length);
  }

  /** A folder of the source; its link count is that of what the snapshot has of it. */
  #folderNode(entry: SourceEntry, folders: number): SourceNode {
    const node = new SourceNode(this.#nextIno++, entry, entry.status as SourceStatus);
    node.nlink = 2 + folders;
    node.size = 0;
    return node;
  }

  /** What of the folder is backed up; what cannot be is told. */
  #visible(open: OpenFolder): Walked {
    const { record } = this.#parts;
    const { listing } = open.folder;
    const { errors, known } = listing;
    const attributes = (error: number) => `attributes: ${errnoText(error)}`;
    if (errors[0] !== 0) record.problem('unreadable', open.path, attributes(errors[0] as number));
    const visible: number[] = [];
    for (let index = 1; index < errors.length; index += 1) {
      const error = errors[index] as number;
      if (!this.#exclusions.isNone || error !== 0) {
        const path = open.pathOf(nameAt(listing, index));
        if (this.#exclusions.excludes(path, known[index] === 1 && typeAt(listing, index) === TYPE.folder)) {
          record.figures.excluded += 1;
          continue;
        }
        if (error !== 0) record.problem('unreadable', path, attributes(error));
      }
      if (known[index] === 1) visible.push(index);
    }
    return { open, visible };
  }

  async #withoutCache({ open, visible }: Walked): Promise<readonly number[]> {
    const { record, scope } = this.#parts;
    if (!scope.excludeCaches) return visible;
    const tag = visible.filter((index) => CACHE_TAG.equals(nameAt(open.folder.listing, index)));
    if (tag.length === 0 || !(await isCacheFolder(open.folder))) return visible;
    record.figures.excluded += visible.length - tag.length;
    return tag;
  }

  #descended(listing: FlatListing, visible: readonly number[]): Map<number, Uint8Array> {
    const { avoid, scope } = this.#parts;
    return descendedFolders(listing, visible, { avoid, scope, device: this.#device });
  }
}
