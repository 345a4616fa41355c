import { AttributesWriter } from '../../archive/attributes-writer.js';
import { deviceParts } from '../../archive/device.js';
import { ArchiveEncoder, type EntryMetadata, type LinkTarget, type Placed } from '../../archive/encoder.js';
import { isRealignPoint, PayloadPlanner } from '../../archive/payload.js';
import type { PayloadPlace } from '../../archive/payload-items.js';
import { type Inode, STORAGE_PACKED } from '../../catalog/inode.js';
import type { CatalogReader } from '../../catalog/open-reader.js';
import type { Child } from '../../catalog/picture.js';
import { CairnError, kindOf } from '../../core/errors.js';
import type { ByteRange } from '../../core/ranges.js';
import type { FileFitter } from './file-fitter.js';
import type { PayloadIndex } from './payload-index.js';
import type { StreamChunks } from './stream-chunks.js';
import { attributesOf, holesOf } from './tree-figures.js';

/** Where a tree's streams go. */
export interface TreeStreams {
  readonly metadata: StreamChunks;
  readonly attributes: StreamChunks;
  readonly payload: PayloadIndex;
}

/** Entries between two looks at how much waits in memory. */
const ENTRIES_PER_DRAIN = 256;
const S_IFMT = 0o170000;
const TYPE = { fifo: 0o010000, character: 0o020000, folder: 0o040000, block: 0o060000, file: 0o100000, link: 0o120000 };

interface OpenFolder {
  readonly inode: Readonly<Inode>;
  readonly children: Iterator<Child>;
  readonly entryPosition: number;
  /** Hash of its path, the same in every snapshot. */
  readonly pathHash: number;
}

/**
 * Writes a live tree of the picture as metadata stream, attributes stream and payload index, names in byte order. File
 * data is not touched but for what `fitter` has to pack or cut first.
 */
export class TreeEncoder {
  readonly #reader: CatalogReader;
  readonly #fitter: FileFitter;
  readonly #streams: TreeStreams;
  readonly #realignBits: number;
  readonly #planner: PayloadPlanner;
  readonly #attributes: AttributesWriter;
  readonly #links = new Map<number, LinkTarget>();
  /** First position of inodes that have several names but are no regular files. */
  readonly #firstNames = new Map<number, number>();
  #entries = 0;

  /** @param realignBits see archive/payload: how rarely the payload is padded before a folder */
  constructor(reader: CatalogReader, fitter: FileFitter, streams: TreeStreams, realignBits: number) {
    this.#reader = reader;
    this.#fitter = fitter;
    this.#streams = streams;
    this.#realignBits = realignBits;
    this.#planner = new PayloadPlanner(streams.payload);
    this.#attributes = new AttributesWriter((bytes) => streams.attributes.write(bytes));
  }

  /** Encodes the tree below the folder. @returns how many entries it has, the root among them */
  async encode(rootIno: number): Promise<number> {
    const root = this.#reader.inodes.find(rootIno);
    if (root === undefined) throw new CairnError('stale', 'The live tree is gone');
    const encoder = new ArchiveEncoder((bytes) => this.#streams.metadata.write(bytes), this.#metadata(root));
    this.#attributes.add(attributesOf(root, encoder.folder, {}), 0);
    this.#entries = 1;
    const open: OpenFolder[] = [this.#openFolder(root, encoder.folder.entryPosition, 0)];
    for (let folder = open.at(-1); folder !== undefined; folder = open.at(-1)) {
      const next = folder.children.next();
      if (next.done === true) {
        encoder.endFolder();
        open.pop();
      } else {
        const child = next.value;
        if ((child.inode.mode & S_IFMT) === TYPE.folder) open.push(this.#startFolder(encoder, folder, child));
        else await this.#leaf(encoder, child);
        this.#entries += 1;
      }
      if (this.#entries % ENTRIES_PER_DRAIN === 0) await this.#drain();
    }
    this.#planner.finish();
    this.#attributes.finish();
    return this.#entries;
  }

  #openFolder(inode: Readonly<Inode>, entryPosition: number, pathHash: number): OpenFolder {
    return { inode, children: this.#reader.children.byName(inode.ino), entryPosition, pathHash };
  }

  #startFolder(encoder: ArchiveEncoder, parent: OpenFolder, { name, inode }: Child): OpenFolder {
    const placed = encoder.startFolder(name, this.#metadata(inode));
    const pathHash = mixed(parent.pathHash, placed.nameHash);
    if (isRealignPoint(pathHash, this.#realignBits)) this.#planner.realign();
    const folder = { parent: parent.entryPosition, nameLength: name.length };
    this.#attributes.add(attributesOf(inode, placed, { folder }), placed.nameHash);
    return this.#openFolder(inode, placed.entryPosition, pathHash);
  }

  async #leaf(encoder: ArchiveEncoder, child: Child): Promise<void> {
    const { inode, name } = child;
    const type = inode.mode & S_IFMT;
    if (type === TYPE.file) return this.#file(encoder, child);
    let placed: Placed;
    if (type === TYPE.link) placed = encoder.symlink(name, this.#metadata(inode), inode.target ?? new Uint8Array(0));
    else if (type === TYPE.character || type === TYPE.block) {
      placed = encoder.device(name, this.#metadata(inode), deviceParts(inode.rdev));
    } else placed = encoder.special(name, this.#metadata(inode));
    const sameAs = inode.nlink > 1 ? this.#firstNames.get(inode.ino) : undefined;
    if (inode.nlink > 1 && sameAs === undefined) this.#firstNames.set(inode.ino, placed.entryPosition);
    this.#attributes.add(attributesOf(inode, placed, sameAs === undefined ? {} : { sameAs }), placed.nameHash);
  }

  async #file(encoder: ArchiveEncoder, { inode, name }: Child): Promise<void> {
    const first = inode.nlink > 1 ? this.#links.get(inode.ino) : undefined;
    if (first !== undefined && linked(encoder, name, first)) return;
    const { place, holes } = await this.#payload(inode);
    const placed = encoder.file(name, this.#metadata(inode), place);
    if (inode.nlink > 1 && first === undefined) this.#links.set(inode.ino, placed);
    const sameAs = first === undefined ? {} : { sameAs: first.entryPosition };
    this.#attributes.add(attributesOf(inode, placed, { holes, ...sameAs }), placed.nameHash);
  }

  async #payload(inode: Readonly<Inode>): Promise<{ place: PayloadPlace; holes: readonly ByteRange[] }> {
    if (inode.size === 0) return { place: this.#planner.large(0, []), holes: [] };
    const extents = this.#fitter.fitting(inode) ?? (await this.#fitter.fit(inode));
    const [only] = extents;
    if (only !== undefined && this.#fitter.storage(inode) === STORAGE_PACKED) {
      const { digest, chunkLength, at } = only;
      return { place: this.#planner.packed(inode.size, { digest, chunkLength, contentAt: at }), holes: [] };
    }
    return { place: this.#planner.large(inode.size, extents), holes: holesOf(inode.size, extents) };
  }

  #metadata({ ino, mode, uid, gid, mtimeSec, mtimeNsec }: Readonly<Inode>): EntryMetadata {
    return { mode, uid, gid, mtimeSec, mtimeNsec, xattrs: this.#reader.xattrs.all(ino) };
  }

  async #drain(): Promise<void> {
    await this.#streams.metadata.drain();
    await this.#streams.attributes.drain();
  }
}

/** Writes another name of a file; false where its path is too long for that and it has to be written once more. */
function linked(encoder: ArchiveEncoder, name: Uint8Array, first: LinkTarget): boolean {
  try {
    encoder.hardLink(name, first);
    return true;
  } catch (error) {
    if (kindOf(error) !== 'name-too-long') throw error;
    return false;
  }
}

/** One 32-bit hash of two. */
function mixed(a: number, b: number): number {
  let hash = Math.imul(a ^ b, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca77);
  return (hash ^ (hash >>> 13)) >>> 0;
}
