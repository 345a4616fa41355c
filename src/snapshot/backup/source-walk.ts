import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import { CairnError, fromSystemError } from '../../core/errors.js';
import type { SourceEntry, SourceStatus } from '../../native/source.js';
import { SourceFolder } from '../../native/source.js';
import type { TreeChildNode } from '../create/tree-source.js';
import type { BackupScope } from './backup-protocol.js';
import { type BackupRecord, errnoText } from './backup-record.js';
import { CACHE_TAG, isCacheFolder } from './cache-folder.js';
import type { EntryQueue } from './entry-queue.js';
import { Exclusions } from './exclusions.js';
import type { FileContents } from './file-contents.js';
import { FolderScans } from './folder-scans.js';
import { keyOf, type PreviousFolder, type PreviousTree } from './previous-tree.js';
import { OpenFolder } from './source-file.js';
import { SourceNode } from './source-node.js';
import type { StorePlaces } from './store-places.js';

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;

/** What comes of a walk: a name, or the end of the innermost folder. */
export type WalkEvent = TreeChildNode<SourceNode> | undefined;

/** What a walk works on. */
export interface WalkParts {
  readonly scope: BackupScope;
  /** Real path of the folder. */
  readonly source: string;
  /** Left alone wherever they are. */
  readonly avoid: StorePlaces;
  readonly previous: PreviousTree | undefined;
  readonly contents: FileContents;
  readonly record: BackupRecord;
  readonly queue: EntryQueue<WalkEvent>;
  readonly signal: AbortSignal;
}

interface VisibleEntry extends SourceEntry {
  readonly status: SourceStatus;
}

interface Walked {
  readonly open: OpenFolder;
  readonly entries: readonly VisibleEntry[];
}

/**
 * Walks the source from its root to its end, names in byte order, ahead of who encodes it: folders are read before they
 * are needed, and what has to be read of files is begun.
 */
export class SourceWalk {
  readonly #parts: WalkParts;
  readonly #exclusions: Exclusions;
  /** Inodes with several names, by device and number. */
  readonly #linked = new Map<string, SourceNode>();
  #nextIno = 1;
  #device = 0;

  constructor(parts: WalkParts) {
    this.#parts = parts;
    this.#exclusions = new Exclusions(parts.scope.excludes);
  }

  /** Opens the source. @throws {CairnError} where it cannot be read */
  async open(): Promise<{ root: SourceNode; walk: () => Promise<void> }> {
    const { source, previous, record } = this.#parts;
    let folder: SourceFolder;
    try {
      folder = await SourceFolder.open(source);
    } catch (error) {
      throw fromSystemError(error, `read ${source}`);
    }
    const status = folder.self.status as SourceStatus;
    this.#device = status.device;
    const walked = this.#visible(new OpenFolder(folder, Buffer.alloc(0)));
    const root = this.#folderNode(folder.self, status, walked.entries);
    record.figures.folders += 1;
    return { root, walk: async () => this.#walk(walked, await previous?.root()) };
  }

  /** Everything in the folder, and its end. */
  async #walk(walked: Walked, before: ArchiveEntry | undefined): Promise<void> {
    const { queue, previous } = this.#parts;
    const old = (await previous?.children(before)) ?? NO_CHILDREN;
    const { open } = walked;
    const entries = await this.#withoutCache(walked);
    const scans = new FolderScans(open.folder, this.#descended(entries));
    try {
      for (const [index, entry] of entries.entries()) {
        await this.#roomInQueue();
        if ((entry.status.mode & S_IFMT) === S_IFDIR) await this.#folder(open, entry, old, scans.take(index));
        else this.#leaf(open, entry, old);
      }
    } finally {
      await scans.close();
      open.release();
    }
    queue.put(undefined);
  }

  async #roomInQueue(): Promise<void> {
    const { contents, queue, signal } = this.#parts;
    if (signal.aborted) throw new CairnError('interrupted', 'The backup was given up');
    if (!queue.isFull) return;
    // Who encodes may wait for the very files that wait for more.
    await contents.flush();
    await queue.room();
  }

  /** @param scan of a folder whose entries are backed up, too */
  async #folder(
    parent: OpenFolder,
    entry: VisibleEntry,
    old: PreviousFolder,
    scan: ReturnType<FolderScans['take']>,
  ): Promise<void> {
    const { queue, record } = this.#parts;
    const { name } = entry;
    record.figures.folders += 1;
    const path = parent.pathOf(name);
    const folder = await scan;
    if (!(folder instanceof SourceFolder)) {
      if (folder !== undefined) record.problem('unreadable', path, folder);
      queue.put({ name, node: this.#folderNode(entry, entry.status, []) });
      queue.put(undefined);
      return;
    }
    const walked = this.#visible(new OpenFolder(folder, path));
    queue.put({ name, node: this.#folderNode(folder.self, folder.self.status as SourceStatus, walked.entries) });
    await this.#walk(walked, old.get(keyOf(name)));
  }

  #leaf(open: OpenFolder, entry: VisibleEntry, old: PreviousFolder): void {
    const { contents, queue, record } = this.#parts;
    const { name, status } = entry;
    const isFile = (status.mode & S_IFMT) === S_IFREG;
    const key = status.nlink > 1 ? `${status.device}:${status.inodeHigh}:${status.inodeLow}` : undefined;
    const first = key === undefined ? undefined : this.#linked.get(key);
    if (first !== undefined) {
      record.figures.links += 1;
      queue.put({ name, node: first });
      return;
    }
    const node = new SourceNode(this.#nextIno++, entry, status);
    if (key !== undefined) this.#linked.set(key, node);
    if (isFile) {
      record.figures.files += 1;
      contents.begin({ folder: open, name, node }, old.get(keyOf(name)));
    } else record.figures.others += 1;
    queue.put({ name, node });
  }

  /** A folder of the source; its link count is that of what the snapshot has of it. */
  #folderNode(entry: SourceEntry, status: SourceStatus, entries: readonly VisibleEntry[]): SourceNode {
    const node = new SourceNode(this.#nextIno++, entry, status);
    node.nlink = 2 + entries.filter(({ status: { mode } }) => (mode & S_IFMT) === S_IFDIR).length;
    node.size = 0;
    return node;
  }

  /** What of the folder is backed up; what cannot be is told. */
  #visible(open: OpenFolder): Walked {
    const { record } = this.#parts;
    const { self, entries } = open.folder;
    if (self.error !== 0) record.problem('unreadable', open.path, `attributes: ${errnoText(self.error)}`);
    const visible = entries.filter((entry): entry is VisibleEntry => {
      const { name, status, error } = entry;
      if (this.#exclusions.isNone && error === 0) return true;
      const path = open.pathOf(name);
      if (this.#exclusions.excludes(path, status !== undefined && (status.mode & S_IFMT) === S_IFDIR)) {
        record.figures.excluded += 1;
        return false;
      }
      if (error !== 0) record.problem('unreadable', path, `attributes: ${errnoText(error)}`);
      return status !== undefined;
    });
    return { open, entries: visible };
  }

  async #withoutCache({ open, entries }: Walked): Promise<readonly VisibleEntry[]> {
    const { record, scope } = this.#parts;
    if (!scope.excludeCaches || !(await isCacheFolder(open.folder, entries))) return entries;
    const kept = entries.filter(({ name }) => name.equals(CACHE_TAG));
    record.figures.excluded += entries.length - kept.length;
    return kept;
  }

  /** Names of the folders whose entries are backed up, too, by their index. */
  #descended(entries: readonly VisibleEntry[]): Map<number, Uint8Array> {
    const names = new Map<number, Uint8Array>();
    for (const [index, entry] of entries.entries())
      if ((entry.status.mode & S_IFMT) === S_IFDIR && this.#isDescended(entry)) names.set(index, entry.name);
    return names;
  }

  #isDescended({ status }: VisibleEntry): boolean {
    const { avoid, scope } = this.#parts;
    return !(scope.oneFileSystem && status.device !== this.#device) && !avoid.has(status);
  }
}

const NO_CHILDREN: PreviousFolder = new Map();
