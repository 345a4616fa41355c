import { type BigIntStats, closeSync, fstatSync, ftruncateSync } from 'node:fs';
import type { AttributeRecord } from '../../archive/attributes-record.js';
import { deviceParts } from '../../archive/device.js';
import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import { fromSystemError } from '../../core/errors.js';
import { turn } from '../create/turns.js';
import { type PayloadBytes, piecesOf } from '../payload-bytes.js';
import { childrenOf, type TreeView } from '../tree-view.js';
import { ContentWriter } from './content-writer.js';
import { NewFileBatches } from './new-file-batches.js';
import { isPlain, newFile, takesNewFiles, wholeContent } from './new-files.js';
import { type AttributeOutcome, attributesOf, type RestoredAttributes, setAttributes } from './node-attributes.js';
import { isSame, mayReplace } from './overwriting.js';
import { isLocal, noRestoreFigures } from './restore-outcome.js';
import { isExcluded } from './restore-scope.js';
import { type FolderNames, isThatNode, type RestoredLinks } from './restored-links.js';
import { type RestorerOptions, requireGoing } from './restorer-options.js';
import type { TargetFolder } from './target-folder.js';
import { createFile, linkFrom, makeSpecial, makeSymlink, openFile, removeFolder, setOwner } from './target-nodes.js';

/** Entries restored between two turns of the event loop. */
const ENTRIES_PER_TURN = 64;

/** Restores folders of a tree. Everything appears under its name only when it is whole, folders excepted. */
export class TreeRestorer {
  readonly figures = noRestoreFigures();
  readonly #view: TreeView;
  readonly #payload: PayloadBytes;
  readonly #options: RestorerOptions;
  readonly #links: RestoredLinks;
  readonly #newFiles = new NewFileBatches(process.geteuid?.() !== 0);
  #entries = 0;

  constructor(view: TreeView, payload: PayloadBytes, links: RestoredLinks, options: RestorerOptions) {
    this.#view = view;
    this.#payload = payload;
    this.#options = options;
    this.#links = links;
  }

  /** Restores what is in the folder, then the folder's own attributes; the folder stays open. */
  async folder(entry: ArchiveEntry, target: TargetFolder): Promise<void> {
    try {
      await this.#folder(entry, target, [], () => undefined);
      await this.#newFiles.settled();
    } finally {
      await this.#newFiles.idle();
    }
  }

  /** @param end called when all of it is restored, and if it failed, when nothing works in it any more */
  async #folder(entry: ArchiveEntry, target: TargetFolder, names: FolderNames, end: () => void): Promise<void> {
    let finish = async (): Promise<void> => undefined;
    try {
      const isNew = takesNewFiles(target);
      for await (const child of childrenOf(this.#view, entry.position)) {
        if (isExcluded(this.#options.exclusions, names, child.name, child.entry)) this.figures.excluded += 1;
        else {
          const restored = () => this.child(child.entry, target, child.name, names, isNew);
          await this.#locally(target.shown(child.name), restored);
        }
      }
      const attributes = await this.#attributes(entry, await this.#view.record(entry.position));
      finish = () =>
        this.#locally(target.path, async () => {
          target.clearUp();
          this.#setOfOpen(target.descriptor, target.path, attributes);
          this.figures.folders += 1;
        });
    } finally {
      await this.#newFiles.behind(finish, end);
    }
  }

  /**
   * Restores one entry under a name of the folder.
   * @param names of the folder, from the root on
   * @param isNew whether what is in the folder was restored just now
   */
  async child(
    entry: ArchiveEntry,
    target: TargetFolder,
    name: Uint8Array,
    names: FolderNames,
    isNew = false,
  ): Promise<void> {
    this.#entries += 1;
    if (this.#entries % ENTRIES_PER_TURN === 0) await turn();
    requireGoing(this.#options.signal);
    if (entry.kind === 'folder') return this.#subfolder(entry, target, name, [...names, name]);
    const record = await this.#view.record(entry.position);
    const inode = record?.sameAs ?? entry.position;
    if (await this.#linked(inode, entry, target, name)) return;
    const mayHaveMore = this.#links.mayHaveMore(inode, record);
    if (isNew && !mayHaveMore && (await this.#addNew(entry, record, target, name))) return;
    const node = await this.#node(entry, record, target, name);
    if (node !== undefined && mayHaveMore) this.#links.add(inode, { folder: names, name, node });
  }

  async #subfolder(entry: ArchiveEntry, target: TargetFolder, name: Uint8Array, names: FolderNames): Promise<void> {
    const existing = target.stat(name);
    if (existing !== undefined && !existing.isDirectory()) {
      if (!mayReplace(this.#options.rule, existing, entry, target.shown(name))) {
        this.figures.kept += 1;
        return;
      }
      target.remove(name);
    }
    const folder = existing?.isDirectory() === true ? target.openFolder(name) : target.makeFolder(name);
    await this.#folder(entry, folder, names, () => folder.close());
  }

  /** Makes a plain file with others some time; false where it is none. */
  async #addNew(
    entry: ArchiveEntry,
    record: AttributeRecord | undefined,
    target: TargetFolder,
    name: Uint8Array,
  ): Promise<boolean> {
    const attributes = await this.#attributes(entry, record);
    const content = isPlain(entry, attributes) ? await wholeContent(this.#view, this.#payload, entry) : undefined;
    if (content === undefined) return false;
    const made = (): void => {
      this.figures.files += 1;
      this.figures.bytes += entry.size;
      if (entry.payload !== undefined) this.#options.onProgress(entry.payload.offset + entry.size);
    };
    const otherwise = (): Promise<void> =>
      this.#locally(target.shown(name), async () => void (await this.#node(entry, record, target, name)));
    const file = newFile(target, { temporary: temporaryName(entry), name }, attributes, content);
    await this.#newFiles.add(file, made, otherwise);
    return true;
  }

  /** Makes another name of what was restored already; false where nothing was, or its name has gone. */
  async #linked(inode: number, entry: ArchiveEntry, target: TargetFolder, name: Uint8Array): Promise<boolean> {
    const first = this.#links.find(inode);
    if (first === undefined) return false;
    const existing = target.stat(name);
    const isFirst = existing !== undefined && existing.ino === first.node.ino && existing.dev === first.node.dev;
    const same = isFirst || (await this.#isSame(entry, target, name, existing));
    return this.#links.inFolder(first.folder, (folder) => {
      if (!isThatNode(first.node, folder.stat(first.name))) return false;
      if (isFirst) {
        this.figures.unchanged += 1;
        return true;
      }
      if (existing !== undefined && !same) {
        if (!mayReplace(this.#options.rule, existing, entry, target.shown(name))) {
          this.figures.kept += 1;
          return true;
        }
        if (existing.isDirectory()) removeFolder(target, name);
      }
      const linked = this.#replace(target, name, entry, (place, temporary) => {
        linkFrom(place, temporary, folder, first.name);
        return isThatNode(first.node, place.stat(temporary));
      });
      if (linked) this.figures.links += 1;
      return linked;
    });
  }

  /** Restores anything but a folder. @returns what it is now; undefined where something else was kept, or nothing made */
  async #node(
    entry: ArchiveEntry,
    record: AttributeRecord | undefined,
    target: TargetFolder,
    name: Uint8Array,
  ): Promise<BigIntStats | undefined> {
    const attributes = await this.#attributes(entry, record);
    const existing = target.stat(name);
    if (existing !== undefined && (await this.#isSame(entry, target, name, existing))) {
      const refreshed = this.#refreshed(entry, target, name, existing, attributes);
      if (refreshed !== undefined) {
        this.figures.unchanged += 1;
        return refreshed;
      }
    } else if (existing !== undefined) {
      if (!mayReplace(this.#options.rule, existing, entry, target.shown(name))) {
        this.figures.kept += 1;
        return undefined;
      }
      if (existing.isDirectory()) removeFolder(target, name);
    }
    if (entry.kind === 'file') return this.#file(entry, target, name, attributes);
    return this.#special(entry, target, name, attributes);
  }

  async #isSame(
    entry: ArchiveEntry,
    target: TargetFolder,
    name: Uint8Array,
    existing: BigIntStats | undefined,
  ): Promise<boolean> {
    return existing !== undefined && isSame(target, name, existing, entry, this.#options.sameContent);
  }

  /** Sets the attributes of what is equal; undefined where it might be a node of somebody else's, to be made anew. */
  #refreshed(
    entry: ArchiveEntry,
    target: TargetFolder,
    name: Uint8Array,
    existing: BigIntStats,
    attributes: RestoredAttributes,
  ): BigIntStats | undefined {
    if (entry.kind !== 'file') {
      return target.isPrivate ? this.#setOfName(target, name, target.shown(name), attributes) : undefined;
    }
    const descriptor = openFile(target, name);
    try {
      const now = fstatSync(descriptor, { bigint: true });
      const isOwners = Number(now.uid) === attributes.uid && Number(now.gid) === attributes.gid;
      if (!isThatNode(existing, now) || (now.nlink > 1n && !isOwners)) return undefined;
      return this.#setOfOpen(descriptor, target.shown(name), attributes);
    } finally {
      closeSync(descriptor);
    }
  }

  async #file(
    entry: ArchiveEntry,
    target: TargetFolder,
    name: Uint8Array,
    attributes: RestoredAttributes,
  ): Promise<BigIntStats> {
    const temporary = temporaryName(entry);
    const descriptor = createFile(target, temporary);
    try {
      await this.#content(descriptor, entry, target.shown(name));
      const node = this.#setOfOpen(descriptor, target.shown(name), attributes);
      target.moveFrom(target, temporary, name);
      this.figures.files += 1;
      this.figures.bytes += entry.size;
      return node;
    } catch (error) {
      target.remove(temporary);
      throw error;
    } finally {
      closeSync(descriptor);
    }
  }

  /** Writes a file's bytes; what is zeros becomes holes. */
  async #content(descriptor: number, { payload, size }: ArchiveEntry, shown: string): Promise<void> {
    if (payload === undefined) return;
    const writer = new ContentWriter(descriptor, shown);
    let end = 0;
    try {
      for (const piece of piecesOf(this.#view.payload, payload)) {
        this.#payload.ahead(payload.offset + piece.offset);
        if (piece.isZeros) continue;
        const pieceEnd = piece.offset + piece.length;
        end = pieceEnd;
        const bytes = await this.#payload.bytes(piece);
        requireGoing(this.#options.signal);
        await writer.write(bytes, piece.offset, () => this.#options.onProgress(payload.offset + pieceEnd));
      }
    } finally {
      // What writing gave is told rather than what came after.
      await writer.settled();
    }
    if (end < size) truncate(descriptor, size, shown);
  }

  /** @returns undefined where it was left out */
  #special(
    entry: ArchiveEntry,
    target: TargetFolder,
    name: Uint8Array,
    attributes: RestoredAttributes,
  ): BigIntStats | undefined {
    const isDevice = entry.kind === 'block' || entry.kind === 'character';
    if (isDevice && !this.#options.devices) {
      this.#options.onLeftOut({ path: target.shown(name), what: 'device' });
      return undefined;
    }
    let node: BigIntStats | undefined;
    this.#replace(target, name, entry, (place, temporary) => {
      if (entry.kind === 'symlink') makeSymlink(place, temporary, entry.target ?? new Uint8Array(0));
      else makeSpecial(place, temporary, entry.mode, deviceParts(entry.rdev));
      node = this.#setOfName(place, temporary, target.shown(name), attributes);
      return true;
    });
    this.figures.others += 1;
    return node;
  }

  /**
   * Makes something under a name of its own and puts it where it belongs once it is whole.
   * @param make says whether it is what it should be; if not, it goes
   */
  #replace(
    target: TargetFolder,
    name: Uint8Array,
    entry: ArchiveEntry,
    make: (place: TargetFolder, temporary: Uint8Array) => boolean,
  ): boolean {
    const [place, temporary] = [target.workshop(), temporaryName(entry)];
    place.remove(temporary);
    try {
      const made = make(place, temporary);
      if (made) target.moveFrom(place, temporary, name);
      else place.remove(temporary);
      return made;
    } catch (error) {
      place.remove(temporary);
      throw error;
    }
  }

  /** Of what has no descriptor, in a folder that nobody else can change. @returns what it is then */
  #setOfName(place: TargetFolder, name: Uint8Array, shown: string, attributes: RestoredAttributes): BigIntStats {
    const own = (uid: number, gid: number): void => setOwner(place, name, uid, gid);
    this.#report(shown, setAttributes(place.at(name), attributes, place.mustStat(name), this.#options, own));
    return place.mustStat(name);
  }

  #setOfOpen(descriptor: number, shown: string, attributes: RestoredAttributes): BigIntStats {
    const now = fstatSync(descriptor, { bigint: true });
    this.#report(shown, setAttributes(descriptor, attributes, now, this.#options));
    return fstatSync(descriptor, { bigint: true });
  }

  async #attributes(entry: ArchiveEntry, record: AttributeRecord | undefined): Promise<RestoredAttributes> {
    return attributesOf(entry, record?.atime, await this.#view.xattrs(entry));
  }

  #report(path: string, { problems, setIdsLeftOut }: AttributeOutcome): void {
    if (setIdsLeftOut) this.#options.onLeftOut({ path, what: 'set-id' });
    for (const message of problems) this.#options.onProblem({ path, message: `cannot set ${message}` });
  }

  /** Tells what concerns one file alone, so that the rest is restored. */
  async #locally(path: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isLocal(error)) throw error;
      await this.#options.requireSnapshot();
      this.#options.onProblem({ path, message: error.message });
    }
  }
}

/** The same whenever this entry is restored, so that what a crash left is found. */
function temporaryName({ position }: ArchiveEntry): Buffer {
  return Buffer.from(`.cairn-restore-${position.toString(16)}`);
}

function truncate(descriptor: number, size: number, shown: string): void {
  try {
    ftruncateSync(descriptor, size);
  } catch (error) {
    throw fromSystemError(error, `write ${shown}`);
  }
}
