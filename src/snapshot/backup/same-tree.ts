import type { ArchiveCursor } from '../../archive/archive-cursor.js';
import { RecordCursor } from '../../archive/record-cursor.js';
import { CairnError } from '../../core/errors.js';
import { type FlatListing, SourceFolder, STATUS_NUMBERS, StatusNumber } from '../../native/source.js';
import type { TreeStreams, TreeView } from '../tree-view.js';
import type { BackupScope } from './backup-protocol.js';
import type { BackupRecord } from './backup-record.js';
import { CACHE_TAG } from './cache-folder.js';
import type { Exclusions } from './exclusions.js';
import { ExpectedEntry } from './expected-entry.js';
import { FolderScans } from './folder-scans.js';
import { OpenFolder } from './source-file.js';
import type { StorePlaces } from './store-places.js';

const S_IFMT = 0o170000;
const TYPE = { fifo: 0o010000, character: 0o020000, folder: 0o040000, block: 0o060000, file: 0o100000, link: 0o120000 };

/** What a source is compared with. */
export interface SameTreeParts {
  readonly scope: Pick<BackupScope, 'oneFileSystem' | 'excludeCaches'>;
  readonly exclusions: Exclusions;
  /** Left alone wherever they are. */
  readonly avoid: StorePlaces;
  readonly view: TreeView & { readonly streams: TreeStreams };
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
  readonly #archive: ArchiveCursor;
  readonly #records: RecordCursor;
  readonly #entry = new ExpectedEntry();
  /** Positions of the FILENAMEs of files with several names, by device and inode. */
  readonly #linked = new Map<string, number>();
  #device = 0;
  #entries = 0;

  constructor(parts: SameTreeParts) {
    this.#parts = parts;
    this.#archive = parts.view.archive.fromRoot();
    this.#records = new RecordCursor(parts.view.streams.records);
  }

  /**
   * Compares. @returns how many entries there are, the root among them; undefined where something differs
   * @throws {CairnError} what reading the snapshot gives, `interrupted`; what reading the source gives, as the system has it
   */
  async compare(source: string): Promise<number | undefined> {
    const folder = await SourceFolder.open(source);
    this.#device = folder.listing.statuses[StatusNumber.device] as number;
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
      const folders = visible.filter((index) => typeOf(listing, index) === TYPE.folder);
      scans = new FolderScans(open.folder, this.#descended(listing, folders));
      const position = await this.#ready();
      if (!this.#isFolder(listing, 0, 2 + folders.length, { parent, nameLength })) return false;
      for (const index of visible) {
        const isFolder = typeOf(listing, index) === TYPE.folder;
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
    const position = this.#archive.position;
    const { figures } = this.#parts.record;
    this.#entry.take(listing, index, { ...place, nlink });
    figures.folders += 1;
    this.#entries += 1;
    return this.#archive.isEntry(this.#entry) && this.#records.isRecord(position, this.#entry);
  }

  /** Anything but a folder. */
  #leaf(listing: FlatListing, index: number): boolean {
    const { statuses, names, ends } = listing;
    const archive = this.#archive;
    const filename = archive.position;
    if (!archive.isName(names, ends[index - 1] as number, ends[index] as number)) return false;
    this.#entries += 1;
    const at = index * STATUS_NUMBERS;
    const nlink = statuses[at + StatusNumber.nlink] as number;
    if (nlink > 1) {
      const key = inodeKey(statuses, at);
      const first = this.#linked.get(key);
      if (first !== undefined) {
        this.#parts.record.figures.links += 1;
        return archive.isLink(filename - first);
      }
      this.#linked.set(key, filename);
    }
    const position = archive.position;
    this.#entry.take(listing, index, { parent: -1, nameLength: 0, nlink });
    if (!archive.isEntry(this.#entry) || !this.#records.isRecord(position, this.#entry)) return false;
    return this.#isBody(listing, index);
  }

  #isBody({ statuses, targets }: FlatListing, index: number): boolean {
    const { figures } = this.#parts.record;
    const at = index * STATUS_NUMBERS;
    const type = (statuses[at + StatusNumber.mode] as number) & S_IFMT;
    if (type === TYPE.file) {
      const size = statuses[at + StatusNumber.size] as number;
      figures.files += 1;
      figures.unchangedFiles += 1;
      figures.contentBytes += size;
      this.#parts.record.passedBytes += size;
      return this.#archive.isPayload(size);
    }
    figures.others += 1;
    if (type === TYPE.link) {
      const target = targets[index];
      return target !== undefined && this.#archive.isTarget(target);
    }
    if (type !== TYPE.character && type !== TYPE.block) return true;
    const [major, minor] = [statuses[at + StatusNumber.major], statuses[at + StatusNumber.minor]] as [number, number];
    return this.#archive.isDevice(major, minor);
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
      const name = () => listing.names.subarray(listing.ends[index - 1], listing.ends[index]);
      if (scope.excludeCaches && CACHE_TAG.equals(name())) return undefined;
      const isFolder = typeOf(listing, index) === TYPE.folder;
      if (!exclusions.isNone && exclusions.excludes(open.pathOf(name()), isFolder)) record.figures.excluded += 1;
      else visible.push(index);
    }
    return visible;
  }

  /** Names of the folders whose entries are backed up, too, by their index. */
  #descended({ names, ends, statuses }: FlatListing, folders: readonly number[]): Map<number, Uint8Array> {
    const { avoid, scope } = this.#parts;
    const descended = new Map<number, Uint8Array>();
    for (const index of folders) {
      const at = index * STATUS_NUMBERS;
      const number = (which: number) => statuses[at + which] as number;
      const device = number(StatusNumber.device);
      const id = {
        device,
        inodeHigh: number(StatusNumber.inodeHigh),
        inodeLow: number(StatusNumber.inodeLow),
      };
      if ((scope.oneFileSystem && device !== this.#device) || avoid.has(id)) continue;
      descended.set(index, names.subarray(ends[index - 1], ends[index]));
    }
    return descended;
  }

  #isAtHand(): boolean {
    return this.#archive.isReady && this.#records.isReady;
  }

  /** Waits until the next entry can be looked at. @returns where it is */
  async #ready(): Promise<number> {
    if (!this.#archive.isReady) await this.#archive.fill();
    if (!this.#records.isReady) await this.#records.fill();
    return this.#archive.position;
  }
}

function typeOf({ statuses }: FlatListing, index: number): number {
  return (statuses[index * STATUS_NUMBERS + StatusNumber.mode] as number) & S_IFMT;
}

function inodeKey(statuses: Float64Array, at: number): string {
  const { device, inodeHigh, inodeLow } = StatusNumber;
  return `${statuses[at + device]}:${statuses[at + inodeHigh]}:${statuses[at + inodeLow]}`;
}
