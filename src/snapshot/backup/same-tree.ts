import { ArchiveCursor } from '../../archive/archive-cursor.js';
import type { ItemCursor } from '../../archive/item-cursor.js';
import { RecordCursor } from '../../archive/record-cursor.js';
import { CairnError } from '../../core/errors.js';
import { type FlatListing, SourceFolder, StatusNumber } from '../../native/source.js';
import type { Exclusions } from '../exclusions.js';
import type { RecordedTree } from '../tree-view.js';
import type { BackupScope } from './backup-protocol.js';
import type { BackupRecord } from './backup-record.js';
import { CACHE_TAG } from './cache-folder.js';
import { ExpectedEntry } from './expected-entry.js';
import { FolderScans } from './folder-scans.js';
import { bodyOf } from './same-body.js';
import { OpenFolder } from './source-file.js';
import { descendedFolders, inodeKeyAt, nameAt, numberAt, TYPE, typeAt } from './source-listing.js';
import type { StorePlaces } from './store-places.js';

/** What a source is compared with. */
export interface SameTreeParts {
  readonly scope: Pick<BackupScope, 'oneFileSystem' | 'excludeCaches'>;
  readonly exclusions: Exclusions;
  /** Left alone wherever they are. */
  readonly avoid: StorePlaces;
  readonly view: RecordedTree;
  /** Gets the figures of what was compared. */
  readonly record: BackupRecord;
  readonly signal: AbortSignal;
}

/** Where a folder is, in the source and in the archive. */
interface Place {
  readonly open: OpenFolder;
  /** As in `ExpectedRecord`. */
  readonly parent: number;
  readonly nameLength: number;
}

/**
 * Whether a source is, to the last bit, what a snapshot has, every file's change time included. Goes through both side by side,
 * making nothing for an entry, and ends at the first thing that differs. What would need more than a look (extended
 * attributes, cache folders, what cannot be read) counts as different.
 */
export class SameTree {
  readonly #parts: SameTreeParts;
  readonly #items: ItemCursor;
  readonly #archive: ArchiveCursor;
  readonly #records: RecordCursor;
  readonly #entry = new ExpectedEntry();
  /** Positions of the FILENAMEs of files with several names, by device and inode. */
  readonly #linked = new Map<string, number>();
  #device = 0;
  #entries = 0;

  constructor(parts: SameTreeParts) {
    this.#parts = parts;
    this.#items = parts.view.archive.fromRoot();
    this.#archive = new ArchiveCursor(this.#items);
    this.#records = new RecordCursor(parts.view.streams.records);
  }

  /**
   * Compares. @returns how many entries there are, the root among them; undefined where something differs
   * @throws {CairnError} what reading the snapshot gives, `interrupted`; what reading the source gives, as the system has it
   */
  async compare(source: string): Promise<number | undefined> {
    const folder = await SourceFolder.open(source);
    this.#device = numberAt(folder.listing, 0, StatusNumber.device);
    const open = new OpenFolder(folder, Buffer.alloc(0));
    const same = await this.#folder({ open, parent: -1, nameLength: 0 });
    return same && this.#records.isAtEnd ? this.#entries : undefined;
  }

  /** A folder, behind its name, and all that is in it. Closes it. */
  async #folder({ open, parent, nameLength }: Place): Promise<boolean> {
    const { listing } = open.folder;
    let scans: FolderScans | undefined;
    try {
      if (this.#parts.signal.aborted) throw new CairnError('interrupted', 'The backup was given up');
      const visible = this.#visible(open);
      if (visible === undefined) return false;
      const folders = visible.filter((index) => typeAt(listing, index) === TYPE.folder);
      const { avoid, scope } = this.#parts;
      const limits = { avoid, scope, device: this.#device };
      scans = new FolderScans(open.folder, descendedFolders(listing, folders, limits));
      const position = await this.#ready();
      if (!this.#isFolder(listing, 0, 2 + folders.length, { parent, nameLength })) return false;
      for (const index of visible) {
        const isFolder = typeAt(listing, index) === TYPE.folder;
        if (!isFolder && !this.#isAtHand()) await this.#ready();
        if (!(isFolder ? await this.#subfolder(open, index, position, scans) : this.#leaf(listing, index)))
          return false;
      }
      await this.#ready();
      return this.#archive.isFolderEnd();
    } finally {
      await scans?.close();
      open.release();
    }
  }

  async #subfolder(open: OpenFolder, index: number, parent: number, scans: FolderScans): Promise<boolean> {
    const { listing } = open.folder;
    const [start, end] = [listing.ends[index - 1] as number, listing.ends[index] as number];
    await this.#ready();
    if (!this.#archive.isName(listing.names, start, end)) return false;
    const nameLength = end - start;
    const folder = await scans.take(index);
    if (folder instanceof SourceFolder) {
      const path = open.pathOf(listing.names.subarray(start, end));
      return this.#folder({ open: new OpenFolder(folder, path), parent, nameLength });
    }
    // One that could not be read, or one whose entries are left out.
    if (folder !== undefined || !this.#isFolder(listing, index, 2, { parent, nameLength })) return false;
    await this.#ready();
    return this.#archive.isFolderEnd();
  }

  /** The entry of a folder. */
  #isFolder(listing: FlatListing, index: number, nlink: number, place: Pick<Place, 'parent' | 'nameLength'>): boolean {
    const position = this.#items.position;
    const { figures } = this.#parts.record;
    this.#entry.take(listing, index, { ...place, nlink });
    figures.folders += 1;
    this.#entries += 1;
    return this.#archive.isEntry(this.#entry) && this.#records.isRecord(position, this.#entry);
  }

  /** Anything but a folder. */
  #leaf(listing: FlatListing, index: number): boolean {
    const { names, ends } = listing;
    const archive = this.#archive;
    const filename = this.#items.position;
    if (!archive.isName(names, ends[index - 1] as number, ends[index] as number)) return false;
    this.#entries += 1;
    const nlink = numberAt(listing, index, StatusNumber.nlink);
    if (nlink > 1) {
      const key = inodeKeyAt(listing, index);
      const first = this.#linked.get(key);
      if (first !== undefined) {
        this.#parts.record.figures.links += 1;
        return archive.isLink(filename - first);
      }
      this.#linked.set(key, filename);
    }
    const { position } = this.#items;
    this.#entry.take(listing, index, { parent: -1, nameLength: 0, nlink });
    if (!archive.isEntry(this.#entry) || !this.#records.isRecord(position, this.#entry)) return false;
    return this.#isBody(listing, index);
  }

  #isBody(listing: FlatListing, index: number): boolean {
    this.#parts.record.passed(listing, index);
    return bodyOf(this.#archive, listing, index) !== undefined;
  }

  /** What of the folder is backed up; undefined where that takes more than a look. */
  #visible(open: OpenFolder): number[] | undefined {
    const { exclusions, record, scope } = this.#parts;
    const { listing } = open.folder;
    const visible: number[] = [];
    for (let index = 0; index < listing.ends.length; index += 1) {
      if (listing.errors[index] !== 0 || listing.known[index] !== 1 || listing.xattrs[index] !== undefined)
        return undefined;
      if (index === 0) continue;
      const name = () => nameAt(listing, index);
      if (scope.excludeCaches && CACHE_TAG.equals(name())) return undefined;
      const isFolder = typeAt(listing, index) === TYPE.folder;
      if (!exclusions.isNone && exclusions.excludes(open.pathOf(name()), isFolder)) record.figures.excluded += 1;
      else visible.push(index);
    }
    return visible;
  }

  #isAtHand(): boolean {
    return this.#items.isReady && this.#records.isReady;
  }

  /** Waits until the next entry can be looked at. @returns where it is */
  async #ready(): Promise<number> {
    if (!this.#items.isReady) await this.#items.fill();
    if (!this.#records.isReady) await this.#records.fill();
    return this.#items.position;
  }
}
