import { closeSync, ftruncateSync, writeSync } from 'node:fs';
import type { AttributeRecord } from '../../archive/attributes-record.js';
import { deviceParts } from '../../archive/device.js';
import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import { CairnError, fromSystemError, kindOf } from '../../core/errors.js';
import { turn } from '../create/turns.js';
import { type PayloadBytes, piecesOf } from '../payload-bytes.js';
import { childrenOf, type TreeView } from '../tree-view.js';
import { attributesOf, type RestoredAttributes, setAttributes } from './node-attributes.js';
import { isSame, mayReplace, type OverwriteRule } from './overwriting.js';
import { type FolderNames, RestoredLinks } from './restored-links.js';
import type { TargetFolder } from './target-folder.js';
import { createFile, linkFrom, makeSpecial, makeSymlink, openFile, removeFolder, setOwner } from './target-nodes.js';

/** What a restore did. */
export interface RestoreFigures {
  files: number;
  folders: number;
  /** Symbolic links, FIFOs, sockets and devices. */
  others: number;
  /** Further names of inodes. */
  links: number;
  /** Bytes of the files restored. */
  bytes: number;
  /** Equal already; attributes were set all the same. */
  unchanged: number;
  /** Left as they were, as the rule says. */
  kept: number;
}

/** Something that could not be restored; the rest was. */
export interface RestoreProblem {
  readonly path: string;
  readonly message: string;
}

export interface RestorerOptions {
  readonly rule: OverwriteRule;
  /** Whether device nodes are made. */
  readonly devices: boolean;
  readonly signal: AbortSignal;
  /** Told how far in the payload stream it is. */
  onProgress(payloadOffset: number): void;
  onProblem(problem: RestoreProblem): void;
  /** Called when a chunk is missing. @throws {CairnError} `stale` where the snapshot was forgotten */
  requireSnapshot(): Promise<void>;
}

/** Entries restored between two turns of the event loop. */
const ENTRIES_PER_TURN = 64;
/** Kinds of errors that concern one file, not the restore. */
const LOCAL_KINDS = ['corrupt', 'not-permitted', 'access-denied', 'unsupported', 'not-empty'];

/** Restores folders of a tree. Everything appears under its name only when it is whole, folders excepted. */
export class TreeRestorer {
  readonly figures: RestoreFigures = { files: 0, folders: 0, others: 0, links: 0, bytes: 0, unchanged: 0, kept: 0 };
  readonly #view: TreeView;
  readonly #payload: PayloadBytes;
  readonly #options: RestorerOptions;
  readonly #links: RestoredLinks;
  #entries = 0;

  /** @param root the folder everything is restored below */
  constructor(view: TreeView, payload: PayloadBytes, root: TargetFolder, options: RestorerOptions) {
    this.#view = view;
    this.#payload = payload;
    this.#options = options;
    this.#links = new RestoredLinks(root);
  }

  /** Restores what is in the folder, then the folder's own attributes. */
  async folder(entry: ArchiveEntry, target: TargetFolder, names: FolderNames = []): Promise<void> {
    for await (const child of childrenOf(this.#view, entry.position)) {
      await this.#locally(target.shown(child.name), () => this.child(child.entry, target, child.name, names));
    }
    const attributes = await this.#attributes(entry, await this.#view.record(entry.position));
    this.#report(target.path, setAttributes(target.descriptor, attributes));
    this.figures.folders += 1;
  }

  /** Restores one entry under a name of the folder. @param names of the folder, from the root on */
  async child(entry: ArchiveEntry, target: TargetFolder, name: Uint8Array, names: FolderNames): Promise<void> {
    this.#entries += 1;
    if (this.#entries % ENTRIES_PER_TURN === 0) await turn();
    this.#requireGoing();
    if (entry.kind === 'folder') return this.#subfolder(entry, target, name, [...names, name]);
    const record = await this.#view.record(entry.position);
    const inode = record?.sameAs ?? entry.position;
    if (this.#linked(inode, entry, target, name)) return;
    const restored = await this.#node(entry, record, target, name);
    if (restored && (record === undefined || (record.nlink ?? 1) > 1)) this.#links.add(inode, names, name);
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
    try {
      await this.folder(entry, folder, names);
    } finally {
      folder.close();
    }
  }

  /** Makes another name of what was restored already; false where nothing was, or its name has gone. */
  #linked(inode: number, entry: ArchiveEntry, target: TargetFolder, name: Uint8Array): boolean {
    const first = this.#links.find(inode);
    if (first === undefined) return false;
    return this.#links.inFolder(first.folder, (folder) => {
      const original = folder.stat(first.name);
      if (original === undefined || !isSame(folder, first.name, original, entry)) return false;
      const existing = target.stat(name);
      if (existing !== undefined && existing.ino === original.ino && existing.dev === original.dev) {
        this.figures.unchanged += 1;
        return true;
      }
      if (existing !== undefined && !isSame(target, name, existing, entry)) {
        if (!mayReplace(this.#options.rule, existing, entry, target.shown(name))) {
          this.figures.kept += 1;
          return true;
        }
      }
      this.#replace(target, name, entry, (temporary) => linkFrom(target, temporary, folder, first.name));
      this.figures.links += 1;
      return true;
    });
  }

  /** Restores anything but a folder; false where something else was kept. */
  async #node(
    entry: ArchiveEntry,
    record: AttributeRecord | undefined,
    target: TargetFolder,
    name: Uint8Array,
  ): Promise<boolean> {
    const attributes = await this.#attributes(entry, record);
    const existing = target.stat(name);
    if (existing !== undefined && isSame(target, name, existing, entry)) {
      this.#refresh(entry, target, name, attributes);
      this.figures.unchanged += 1;
      return true;
    }
    if (existing !== undefined) {
      if (!mayReplace(this.#options.rule, existing, entry, target.shown(name))) {
        this.figures.kept += 1;
        return false;
      }
      if (existing.isDirectory()) removeFolder(target, name);
    }
    if (entry.kind === 'file') await this.#file(entry, target, name, attributes);
    else this.#special(entry, target, name, attributes);
    return true;
  }

  #refresh(entry: ArchiveEntry, target: TargetFolder, name: Uint8Array, attributes: RestoredAttributes): void {
    if (entry.kind !== 'file') {
      this.#setOfName(target, name, name, attributes);
      return;
    }
    const descriptor = openFile(target, name);
    try {
      this.#report(target.shown(name), setAttributes(descriptor, attributes));
    } finally {
      closeSync(descriptor);
    }
  }

  async #file(
    entry: ArchiveEntry,
    target: TargetFolder,
    name: Uint8Array,
    attributes: RestoredAttributes,
  ): Promise<void> {
    const temporary = temporaryName(entry);
    const descriptor = createFile(target, temporary);
    try {
      await this.#content(descriptor, entry, target.shown(name));
      this.#report(target.shown(name), setAttributes(descriptor, attributes));
      target.rename(temporary, name);
    } catch (error) {
      target.remove(temporary);
      throw error;
    } finally {
      closeSync(descriptor);
    }
    this.figures.files += 1;
    this.figures.bytes += entry.size;
  }

  /** Writes a file's bytes; what is zeros becomes holes. */
  async #content(descriptor: number, { payload, size }: ArchiveEntry, shown: string): Promise<void> {
    if (payload === undefined) return;
    let end = 0;
    for (const piece of piecesOf(this.#view.payload, payload)) {
      this.#payload.ahead(payload.offset + piece.offset);
      if (piece.isZeros) continue;
      end = piece.offset + piece.length;
      const bytes = await this.#payload.bytes(piece);
      this.#requireGoing();
      for (let done = 0; done < bytes.length; ) {
        const from = done;
        done += writing(shown, () => writeSync(descriptor, bytes, from, bytes.length - from, piece.offset + from));
      }
      this.#options.onProgress(payload.offset + piece.offset + piece.length);
    }
    if (end < size) writing(shown, () => ftruncateSync(descriptor, size));
  }

  #special(entry: ArchiveEntry, target: TargetFolder, name: Uint8Array, attributes: RestoredAttributes): void {
    const isDevice = entry.kind === 'block' || entry.kind === 'character';
    if (isDevice && !this.#options.devices) {
      throw new CairnError('not-permitted', 'a device node, which was not asked for or needs root');
    }
    this.#replace(target, name, entry, (temporary) => {
      if (entry.kind === 'symlink') makeSymlink(target, temporary, entry.target ?? new Uint8Array(0));
      else makeSpecial(target, temporary, entry.mode, deviceParts(entry.rdev));
      this.#setOfName(target, temporary, name, attributes);
    });
    this.figures.others += 1;
  }

  /** Makes something under a name of its own and puts it where it belongs once it is whole. */
  #replace(target: TargetFolder, name: Uint8Array, entry: ArchiveEntry, make: (temporary: Uint8Array) => void): void {
    const temporary = temporaryName(entry);
    target.remove(temporary);
    try {
      make(temporary);
      target.rename(temporary, name);
    } catch (error) {
      target.remove(temporary);
      throw error;
    }
  }

  #setOfName(target: TargetFolder, name: Uint8Array, finalName: Uint8Array, attributes: RestoredAttributes): void {
    const own = (uid: number, gid: number): void => setOwner(target, name, uid, gid);
    this.#report(target.shown(finalName), setAttributes(target.at(name), attributes, own));
  }

  async #attributes(entry: ArchiveEntry, record: AttributeRecord | undefined): Promise<RestoredAttributes> {
    return attributesOf(entry, record?.atime, await this.#view.xattrs(entry));
  }

  #report(path: string, problems: readonly string[]): void {
    for (const message of problems) this.#options.onProblem({ path, message: `cannot set ${message}` });
  }

  /** Tells what concerns one file alone, so that the rest is restored. */
  async #locally(path: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof CairnError) || !LOCAL_KINDS.includes(kindOf(error))) throw error;
      await this.#options.requireSnapshot();
      this.#options.onProblem({ path, message: error.message });
    }
  }

  #requireGoing(): void {
    if (this.#options.signal.aborted) {
      throw new CairnError('interrupted', 'Given up; run the same command again to go on where it ended');
    }
  }
}

/** The same whenever this entry is restored, so that what a crash left is found. */
function temporaryName({ position }: ArchiveEntry): Buffer {
  return Buffer.from(`.cairn-restore-${position.toString(16)}`);
}

function writing<T>(shown: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw fromSystemError(error, `write ${shown}`);
  }
}
