import { CairnError } from '../core/errors.js';
import { sipHash24 } from '../native/hash.js';
import type { AccessAcl, DefaultAcl } from './acl.js';
import { ChildStack } from './child-stack.js';
import type { DeviceNumber } from './device.js';
import { ENTRY_BYTES, type EntryKind, kindOfMode, type Stat, writeEntry } from './entry.js';
import { type Emit, ItemWriter } from './item-writer.js';
import { Item, type ItemType, MAX_PATH_BYTES } from './items.js';
import { checkEntryName, isLinkTarget, shownName } from './names.js';
import type { PayloadPlace } from './payload-items.js';
import type { StoredLeaves } from './stored-leaves.js';
import { type SortedXattrs, sortXattrs, type Xattr } from './xattrs.js';

/** What an archive holds of an entry apart from its content. */
export interface EntryMetadata extends Stat {
  readonly xattrs: readonly Xattr[];
}

/**
 * Which of the two formats to write (pbs-format §6.3, §6.5): 2 is the metadata stream of a split archive, 1 holds
 * its payloads itself.
 */
export type ArchiveVersion = 1 | 2;

/**
 * The content of a regular file: where it is in the payload stream (version 2), or the bytes themselves (version
 * 1).
 */
export type FilePayload = PayloadPlace | { readonly content: Uint8Array };

/** Where an entry was written. Positions are bytes in the metadata stream. */
export interface Placed {
  /** Position of its ENTRY; of a hard link, its target's. */
  readonly entryPosition: number;
  /** Position of its FILENAME; -1 for the root. */
  readonly filenamePosition: number;
  /** Lower word of the hash of its name. */
  readonly nameHash: number;
  /**
   * Extended attributes the archive does not hold, or not to the last bit: they belong into the attributes
   * stream.
   */
  readonly left: readonly Xattr[];
}

/** A folder that is open in the encoder; knows its path by its parents. */
interface FolderNode {
  readonly name: Uint8Array;
  readonly parent: FolderNode | undefined;
}

/** A regular file later hard links may name; keeps the names on the way to it. */
export interface LinkTarget extends Placed {
  readonly name: Uint8Array;
  readonly folder: FolderNode;
}

interface OpenFolder {
  readonly node: FolderNode;
  readonly placed: Placed;
  readonly hashHigh: number;
  /** The stack of children when the folder was opened. */
  readonly mark: number;
}

const ROOT: FolderNode = { name: new Uint8Array(0), parent: undefined };
const FORMAT_VERSION = 2;
const SLASH = 0x2f;
const NOTHING_LEFT: readonly Xattr[] = [];

/**
 * Writes an archive from the root to its end, entry by entry in the order they are given. Sizes in the tables are
 * exact lengths in this stream, so a reader finds a folder's table at the child's position + size. Names given are
 * kept by reference while their folder, or a LinkTarget below it, is in use. Memory: 24 bytes for each child of an
 * open folder.
 *
 * Each method throws CairnError `invalid` for what no archive may hold (a name with a slash, a mode of another
 * kind), before anything is written, and a plain Error where it is called out of turn.
 */
export class ArchiveEncoder {
  readonly #writer: ItemWriter;
  readonly #version: ArchiveVersion;
  readonly #children = new ChildStack();
  readonly #open: OpenFolder[] = [];
  #finished = false;
  #lastOffset = -1;
  /** The hash of the last name, and its words (lower first, as on every machine this runs on). */
  readonly #hash = new BigUint64Array(1);
  readonly #hashWords = new Uint32Array(this.#hash.buffer);

  /**
   * Begins the archive with its root folder; `root` tells where that is and what it could not hold.
   * @param emit takes the bytes, in pieces of up to 128 KiB, and owns them
   */
  constructor(emit: Emit, metadata: EntryMetadata, version: ArchiveVersion = 2) {
    this.#writer = new ItemWriter(emit);
    this.#version = version;
    const xattrs = checkMetadata('folder', metadata);
    if (version === 2) {
      this.#writer.header(Item.formatVersion, 8);
      this.#writer.u64(FORMAT_VERSION);
    }
    const placed = { entryPosition: this.#writer.position, filenamePosition: -1, nameHash: 0, left: xattrs.left };
    this.#entry(metadata, xattrs);
    this.#open.push({ node: ROOT, placed, hashHigh: 0, mark: 0 });
  }

  /** The innermost open folder. */
  get folder(): Placed {
    return this.#innermost().placed;
  }

  /** Bytes written so far. */
  get position(): number {
    return this.#writer.position;
  }

  /** Opens a folder; what follows goes into it until `endFolder`. */
  startFolder(name: Uint8Array, metadata: EntryMetadata): Placed {
    const parent = this.#innermost();
    const placed = this.#start('folder', name, metadata);
    const hashHigh = this.#hashWords[1] as number;
    this.#open.push({ node: { name, parent: parent.node }, placed, hashHigh, mark: this.#children.count });
    return placed;
  }

  /**
   * Closes the innermost folder.
   * @returns the position behind it. Closing the root ends the archive and hands on the last bytes
   */
  endFolder(): number {
    const { placed, mark, hashHigh } = this.#innermost();
    const isRoot = this.#open.length === 1;
    // The tail of a split archive's root leads back to the very start of the stream (pbs-format §6.4).
    this.#children.writeTable(this.#writer, mark, isRoot ? 0 : placed.entryPosition);
    this.#open.pop();
    const end = this.#writer.position;
    if (isRoot) {
      this.#finished = true;
      this.#writer.flush();
    } else this.#children.push(placed.nameHash, hashHigh, placed.filenamePosition, end);
    return end;
  }

  /** A regular file. */
  file(name: Uint8Array, metadata: EntryMetadata, payload: FilePayload): LinkTarget {
    if ('content' in payload !== (this.#version === 1)) {
      throw new CairnError('invalid', `An archive of version ${this.#version} cannot hold this kind of payload`);
    }
    this.#checkOffset(payload);
    const folder = this.#innermost().node;
    const { entryPosition, filenamePosition, nameHash, left } = this.#start('file', name, metadata);
    if ('content' in payload) {
      this.#writer.header(Item.payload, payload.content.length);
      this.#writer.bytes(payload.content);
    } else this.#payloadRef(payload);
    this.#end(filenamePosition);
    return { entryPosition, filenamePosition, nameHash, left, name, folder };
  }

  symlink(name: Uint8Array, metadata: EntryMetadata, target: Uint8Array): Placed {
    if (!isLinkTarget(target)) throw new CairnError('invalid', `Not a link's target: ${shownName(target)}`);
    const placed = this.#start('symlink', name, metadata);
    this.#writer.header(Item.symlink, target.length + 1);
    this.#writer.terminated(target);
    this.#end(placed.filenamePosition);
    return placed;
  }

  /** A block or character device, as the mode says. */
  device(name: Uint8Array, metadata: EntryMetadata, device: DeviceNumber): Placed {
    const kind = kindOfMode(metadata.mode) === 'block' ? 'block' : 'character';
    const placed = this.#start(kind, name, metadata);
    this.#writer.header(Item.device, 16);
    this.#writer.u64(device.major);
    this.#writer.u64(device.minor);
    this.#end(placed.filenamePosition);
    return placed;
  }

  /** A FIFO or a socket, as the mode says. */
  special(name: Uint8Array, metadata: EntryMetadata): Placed {
    const kind = kindOfMode(metadata.mode) === 'fifo' ? 'fifo' : 'socket';
    const placed = this.#start(kind, name, metadata);
    this.#end(placed.filenamePosition);
    return placed;
  }

  /**
   * The entry `leaf` is at, as another archive stores it.
   * @param payload where a regular file's content is in this one
   */
  copy(leaf: StoredLeaves, payload: PayloadPlace | undefined): Placed {
    this.#innermost();
    if (payload !== undefined) this.#checkOffset(payload);
    const { name, head, filenameBytes } = leaf;
    this.#hash[0] = sipHash24(name);
    const filenamePosition = this.#writer.position;
    this.#writer.bytes(head);
    if (payload === undefined) this.#writer.bytes(leaf.body);
    else this.#payloadRef(payload);
    this.#end(filenamePosition);
    const entryPosition = filenamePosition + filenameBytes;
    return { entryPosition, filenamePosition, nameHash: this.#hashWords[0] as number, left: NOTHING_LEFT };
  }

  /**
   * Another name of a regular file written before.
   * @throws {CairnError} `name-too-long` where the target's path has more than 4096 bytes, which no archive can
   *   hold: write the file once more
   */
  hardLink(name: Uint8Array, target: LinkTarget): Placed {
    this.#innermost();
    checkEntryName(name);
    const path = pathOf(target);
    if (path.length > MAX_PATH_BYTES) {
      throw new CairnError('name-too-long', `Path too long for a hard link to it: ${path.length} bytes`);
    }
    const filenamePosition = this.#filename(name);
    const placed = {
      entryPosition: target.entryPosition,
      filenamePosition,
      nameHash: this.#hashWords[0] as number,
      left: [],
    };
    this.#writer.header(Item.hardLink, 8 + path.length + 1);
    this.#writer.u64(filenamePosition - target.filenamePosition);
    this.#writer.terminated(path);
    this.#end(filenamePosition);
    return placed;
  }

  #innermost(): OpenFolder {
    const folder = this.#open.at(-1);
    if (folder === undefined || this.#finished) throw new Error('The archive is finished');
    return folder;
  }

  #payloadRef({ offset, size }: PayloadPlace): void {
    this.#lastOffset = offset;
    this.#writer.header(Item.payloadRef, 16);
    this.#writer.u64(offset);
    this.#writer.u64(size);
  }

  /** Offsets in the payload stream strictly rise in archive order (pbs-format §6.5). */
  #checkOffset(payload: FilePayload): void {
    if ('content' in payload) return;
    if (!(payload.offset > this.#lastOffset)) {
      throw new CairnError('invalid', `Payload at ${payload.offset} does not lie behind ${this.#lastOffset}`);
    }
  }

  /** Writes FILENAME and everything up to the body. Leaves the hash of the name in `#hashWords`. */
  #start(kind: EntryKind, name: Uint8Array, metadata: EntryMetadata): Placed {
    this.#innermost();
    checkEntryName(name);
    const xattrs = checkMetadata(kind, metadata);
    const filenamePosition = this.#filename(name);
    const entryPosition = this.#writer.position;
    this.#entry(metadata, xattrs);
    return { entryPosition, filenamePosition, nameHash: this.#hashWords[0] as number, left: xattrs.left };
  }

  #filename(name: Uint8Array): number {
    this.#hash[0] = sipHash24(name);
    const position = this.#writer.position;
    this.#writer.header(Item.filename, name.length + 1);
    this.#writer.terminated(name);
    return position;
  }

  /** Enters the child whose name was hashed last into its folder's table. */
  #end(filenamePosition: number): void {
    const [low, high] = [this.#hashWords[0] as number, this.#hashWords[1] as number];
    this.#children.push(low, high, filenamePosition, this.#writer.position);
  }

  #entry(metadata: EntryMetadata, xattrs: SortedXattrs): void {
    this.#writer.header(Item.entry, ENTRY_BYTES);
    this.#writer.fill(ENTRY_BYTES, (bytes, at) => writeEntry(bytes, at, metadata));
    for (const { name, value } of xattrs.plain) {
      this.#writer.header(Item.xattr, name.length + 1 + value.length);
      this.#writer.terminated(name);
      this.#writer.bytes(value);
    }
    if (xattrs.access !== undefined) this.#accessAcl(xattrs.access);
    if (xattrs.defaults !== undefined) this.#defaultAcl(xattrs.defaults);
    if (xattrs.capabilities !== undefined) {
      this.#writer.header(Item.fileCapabilities, xattrs.capabilities.length);
      this.#writer.bytes(xattrs.capabilities);
    }
  }

  #accessAcl(acl: AccessAcl): void {
    for (const { id, permissions } of acl.users) this.#numbers(Item.aclUser, [id, permissions]);
    for (const { id, permissions } of acl.groups) this.#numbers(Item.aclGroup, [id, permissions]);
    if (acl.groupObject !== undefined) this.#numbers(Item.aclGroupObject, [acl.groupObject]);
  }

  #defaultAcl(acl: DefaultAcl): void {
    this.#writer.header(Item.aclDefault, 32);
    for (const permissions of [acl.userObject, acl.groupObject, acl.other]) this.#writer.u64(permissions);
    if (acl.mask === undefined) this.#writer.words(0xffff_ffff, 0xffff_ffff);
    else this.#writer.u64(acl.mask);
    for (const { id, permissions } of acl.users) this.#numbers(Item.aclDefaultUser, [id, permissions]);
    for (const { id, permissions } of acl.groups) this.#numbers(Item.aclDefaultGroup, [id, permissions]);
  }

  #numbers(type: ItemType, numbers: readonly number[]): void {
    this.#writer.header(type, numbers.length * 8);
    for (const number of numbers) this.#writer.u64(number);
  }
}

function checkMetadata(kind: EntryKind, metadata: EntryMetadata): SortedXattrs {
  const { mode, mtimeSec, mtimeNsec } = metadata;
  if (kindOfMode(mode) !== kind || mode > 0xffff) {
    throw new CairnError('invalid', `Mode ${mode.toString(8)} is not that of a ${kind}`);
  }
  if (!Number.isSafeInteger(mtimeSec) || !(mtimeNsec >= 0 && mtimeNsec < 1e9)) {
    throw new CairnError('invalid', `Not a time: ${mtimeSec} s and ${mtimeNsec} ns`);
  }
  return sortXattrs(mode, metadata.xattrs);
}

/** Path relative to the archive's root, without leading slash. */
function pathOf(target: LinkTarget): Buffer {
  const names: Uint8Array[] = [target.name];
  for (let folder: FolderNode | undefined = target.folder; folder?.parent !== undefined; folder = folder.parent) {
    names.push(Buffer.of(SLASH), folder.name);
  }
  return Buffer.concat(names.reverse());
}
