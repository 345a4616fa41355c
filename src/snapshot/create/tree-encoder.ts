import { AttributesWriter } from '../../archive/attributes-writer.js';
import { deviceParts } from '../../archive/device.js';
import { ArchiveEncoder, type EntryMetadata, type LinkTarget, type Placed } from '../../archive/encoder.js';
import { alignmentBehind, PayloadPlanner } from '../../archive/payload.js';
import type { PayloadPlace } from '../../archive/payload-items.js';
import { kindOf } from '../../core/errors.js';
import type { ByteRange } from '../../core/ranges.js';
import { attributesOf } from './tree-figures.js';
import type { FileContent, SameLeaves, TreeChildNode, TreeNode, TreeSource } from './tree-source.js';
import type { TreeStreams } from './tree-streams.js';

/** Entries between two looks at how much waits in memory. */
const ENTRIES_PER_DRAIN = 256;
const S_IFMT = 0o170000;
const TYPE = { fifo: 0o010000, character: 0o020000, folder: 0o040000, block: 0o060000, file: 0o100000, link: 0o120000 };

const EMPTY: FileContent = { kind: 'large', extents: [], holes: [] };

interface OpenFolder<N extends TreeNode> {
  readonly children: ReturnType<TreeSource<N>['children']>;
  readonly entryPosition: number;
  /** Hash of its path, the same in every snapshot. */
  readonly pathHash: number;
}

/** Writes a tree as metadata stream, attributes stream and payload index, names in byte order. */
export class TreeEncoder<N extends TreeNode> {
  readonly #source: TreeSource<N>;
  readonly #streams: TreeStreams;
  readonly #planner: PayloadPlanner;
  readonly #attributes: AttributesWriter;
  readonly #links = new Map<number, LinkTarget>();
  /** First position of inodes that have several names but are no regular files. */
  readonly #firstNames = new Map<number, number>();
  #entries = 0;
  #drainAt = ENTRIES_PER_DRAIN;
  /** Where the payload of the next file starts, see archive/payload. */
  #alignment = 0;

  constructor(source: TreeSource<N>, streams: TreeStreams) {
    this.#source = source;
    this.#streams = streams;
    this.#planner = new PayloadPlanner(streams.payload);
    this.#attributes = new AttributesWriter((bytes) => streams.attributes.write(bytes));
  }

  /** Encodes the tree. @returns how many entries it has, the root among them */
  async encode(): Promise<number> {
    const root = await this.#source.root();
    const encoder = new ArchiveEncoder((bytes) => this.#streams.metadata.write(bytes), this.#metadata(root));
    this.#attributes.add(attributesOf(root, encoder.folder, {}), 0);
    this.#entries = 1;
    const open: OpenFolder<N>[] = [this.#openFolder(root, encoder.folder.entryPosition, 0)];
    for (let folder = open.at(-1); folder !== undefined; folder = open.at(-1)) {
      const coming = folder.children.next();
      // Most are at hand: waiting for each would cost more than encoding it.
      const child = coming instanceof Promise ? await coming : coming;
      if (child === undefined) {
        encoder.endFolder();
        open.pop();
      } else if ('leaves' in child) this.#same(encoder, folder, child);
      else if ((child.node.mode & S_IFMT) === TYPE.folder) open.push(this.#startFolder(encoder, folder, child));
      else await this.#leaf(encoder, folder, child);
      if (this.#entries >= this.#drainAt) await this.#drain();
    }
    this.#planner.finish();
    this.#attributes.finish();
    return this.#entries;
  }

  #openFolder(node: N, entryPosition: number, pathHash: number): OpenFolder<N> {
    return { children: this.#source.children(node), entryPosition, pathHash };
  }

  #startFolder(encoder: ArchiveEncoder, parent: OpenFolder<N>, { name, node }: TreeChildNode<N>): OpenFolder<N> {
    const placed = encoder.startFolder(name, this.#metadata(node));
    const pathHash = mixed(parent.pathHash, placed.nameHash);
    const folder = { parent: parent.entryPosition, nameLength: name.length };
    this.#add(node, placed, { folder });
    return this.#openFolder(node, placed.entryPosition, pathHash);
  }

  async #leaf(encoder: ArchiveEncoder, folder: OpenFolder<N>, child: TreeChildNode<N>): Promise<void> {
    const { node, name } = child;
    const type = node.mode & S_IFMT;
    if (type === TYPE.file) return this.#file(encoder, folder, child);
    let placed: Placed;
    if (type === TYPE.link) placed = encoder.symlink(name, this.#metadata(node), node.target ?? new Uint8Array(0));
    else if (type === TYPE.character || type === TYPE.block) {
      placed = encoder.device(name, this.#metadata(node), deviceParts(node.rdev));
    } else placed = encoder.special(name, this.#metadata(node));
    const sameAs = node.nlink > 1 ? this.#firstNames.get(node.ino) : undefined;
    if (node.nlink > 1 && sameAs === undefined) this.#firstNames.set(node.ino, placed.entryPosition);
    this.#add(node, placed, sameAs === undefined ? {} : { sameAs });
  }

  async #file(encoder: ArchiveEncoder, folder: OpenFolder<N>, { node, name }: TreeChildNode<N>): Promise<void> {
    const first = node.nlink > 1 ? this.#links.get(node.ino) : undefined;
    if (first !== undefined && linked(encoder, name, first)) {
      this.#entries += 1;
      return;
    }
    const coming = node.size === 0 ? EMPTY : this.#source.content(node);
    const content = coming instanceof Promise ? await coming : coming;
    if (content === undefined) return;
    this.#planner.realign(this.#alignment);
    const { place, holes } = this.#place(node.size, content);
    const placed = encoder.file(name, this.#metadata(node), place);
    this.#alignment = alignmentBehind(mixed(folder.pathHash, placed.nameHash), node.size);
    if (node.nlink > 1 && first === undefined) this.#links.set(node.ino, placed);
    const sameAs = first === undefined ? {} : { sameAs: first.entryPosition };
    this.#add(node, placed, { holes, ...sameAs });
  }

  /** What another archive has just so: but for the places of payloads it is copied. */
  #same(encoder: ArchiveEncoder, folder: OpenFolder<N>, { leaves, pieceAt }: SameLeaves): void {
    while (leaves.next()) {
      const { payload } = leaves;
      if (payload !== undefined) this.#planner.realign(this.#alignment);
      const place = payload && this.#placeAgain(payload, pieceAt);
      const placed = encoder.copy(leaves, place);
      if (place !== undefined) this.#alignment = alignmentBehind(mixed(folder.pathHash, placed.nameHash), place.size);
      this.#attributes.copy(placed.entryPosition, leaves.record, placed.nameHash);
      this.#entries += 1;
    }
  }

  #placeAgain({ offset, size }: PayloadPlace, pieceAt: SameLeaves['pieceAt']): PayloadPlace {
    return size === 0 ? this.#planner.large(0, []) : this.#planner.packed(size, pieceAt(offset));
  }

  #place(size: number, content: FileContent): { place: PayloadPlace; holes: readonly ByteRange[] } {
    if (content.kind === 'large') return { place: this.#planner.large(size, content.extents), holes: content.holes };
    const { digest, chunkLength, at } = content;
    return { place: this.#planner.packed(size, { digest, chunkLength, contentAt: at }), holes: [] };
  }

  #add(node: N, placed: Placed, extra: Parameters<typeof attributesOf>[2]): void {
    this.#attributes.add(attributesOf(node, placed, extra), placed.nameHash);
    this.#entries += 1;
  }

  #metadata(node: N): EntryMetadata {
    const { mode, uid, gid, mtimeSec, mtimeNsec } = node;
    return { mode, uid, gid, mtimeSec, mtimeNsec, xattrs: this.#source.xattrs(node) };
  }

  async #drain(): Promise<void> {
    this.#drainAt = this.#entries + ENTRIES_PER_DRAIN;
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
