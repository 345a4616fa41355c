import type { ReadBytes } from './byte-source.js';
import { readI64, readLooseU64, readU32 } from './bytes.js';
import { ENTRY_BYTES, type Stat } from './entry.js';
import { ITEM_HEADER_BYTES, Item, type ItemType } from './items.js';

/** Read at once: several chunks, which are loaded side by side. */
const WINDOW_BYTES = 1024 * 1024;
/** An entry without extended attributes, with its name and the longest link target, has fewer. */
const LOOK_BYTES = 8192;

/**
 * Goes through a metadata stream from a folder on, item by item, beside a tree it may be the archive of. Each question
 * is whether the next item is just so; it is passed over if it is, and only then. `fill` is to be awaited before an entry
 * (its FILENAME, ENTRY and what is behind) and before a folder's end wherever `isReady` is false. What is malformed is
 * not what was asked for, or CairnError `corrupt`.
 */
export class ArchiveCursor {
  readonly #read: ReadBytes;
  readonly #size: number;
  #bytes: Uint8Array = new Uint8Array(0);
  /** Where in the stream `#bytes` are. */
  #start: number;
  #at = 0;

  /**
   * @param size length of the stream in bytes
   * @param position of a folder's ENTRY
   */
  constructor(read: ReadBytes, size: number, position: number) {
    this.#read = read;
    this.#size = size;
    this.#start = position;
  }

  /** Of the next item. */
  get position(): number {
    return this.#start + this.#at;
  }

  get isReady(): boolean {
    return this.#bytes.length - this.#at >= LOOK_BYTES || this.#start + this.#bytes.length >= this.#size;
  }

  /** Reads on. Rejects with what reading gives. */
  async fill(): Promise<void> {
    const position = Math.min(this.position, this.#size);
    this.#bytes = await this.#read(position, Math.min(WINDOW_BYTES, this.#size - position));
    this.#start = position;
    this.#at = 0;
  }

  /** A FILENAME: the bytes [start, end) of `names`. */
  isName(names: Uint8Array, start: number, end: number): boolean {
    return this.#isText(Item.filename, names, start, end);
  }

  /** An ENTRY without flags. */
  isEntry({ mode, uid, gid, mtimeSec, mtimeNsec }: Stat): boolean {
    const at = this.#at + ITEM_HEADER_BYTES;
    const bytes = this.#bytes;
    if (!this.#isItem(Item.entry, ITEM_HEADER_BYTES + ENTRY_BYTES)) return false;
    if (readLooseU64(bytes, at) !== mode || readLooseU64(bytes, at + 8) !== 0) return false;
    if (readU32(bytes, at + 16) !== uid || readU32(bytes, at + 20) !== gid) return false;
    if (readI64(bytes, at + 24) !== mtimeSec || readU32(bytes, at + 32) !== mtimeNsec) return false;
    this.#at = at + ENTRY_BYTES;
    return true;
  }

  /** A PAYLOAD_REF to content of this length, wherever it is. */
  isPayload(size: number): boolean {
    const at = this.#at + ITEM_HEADER_BYTES;
    if (!this.#isItem(Item.payloadRef, ITEM_HEADER_BYTES + 16)) return false;
    if (readLooseU64(this.#bytes, at + 8) !== size) return false;
    this.#at = at + 16;
    return true;
  }

  isTarget(target: Uint8Array): boolean {
    return this.#isText(Item.symlink, target, 0, target.length);
  }

  isDevice(major: number, minor: number): boolean {
    const at = this.#at + ITEM_HEADER_BYTES;
    if (!this.#isItem(Item.device, ITEM_HEADER_BYTES + 16)) return false;
    if (readLooseU64(this.#bytes, at) !== major || readLooseU64(this.#bytes, at + 8) !== minor) return false;
    this.#at = at + 16;
    return true;
  }

  /** A HARDLINK to the file whose FILENAME is so many bytes before that of the link. */
  isLink(distance: number): boolean {
    const at = this.#at + ITEM_HEADER_BYTES;
    if (!this.#isItem(Item.hardLink)) return false;
    if (readLooseU64(this.#bytes, at) !== distance) return false;
    this.#at += readLooseU64(this.#bytes, this.#at + 8);
    return true;
  }

  /** A folder's table. */
  isFolderEnd(): boolean {
    if (!this.#isItem(Item.goodbye)) return false;
    this.#at += readLooseU64(this.#bytes, this.#at + 8);
    return true;
  }

  #isText(type: ItemType, text: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    const bytes = this.#bytes;
    const at = this.#at + ITEM_HEADER_BYTES;
    if (!this.#isItem(type, ITEM_HEADER_BYTES + length + 1)) return false;
    for (let i = 0; i < length; i += 1) if (bytes[at + i] !== text[start + i]) return false;
    if (bytes[at + length] !== 0) return false;
    this.#at = at + length + 1;
    return true;
  }

  /** Whether the next item is of this type, and of this length, if that is given; its header and body are at hand then. */
  #isItem(type: ItemType, length?: number): boolean {
    const at = this.#at;
    const bytes = this.#bytes;
    if (at + (length ?? ITEM_HEADER_BYTES + 8) > bytes.length) return false;
    if (readU32(bytes, at) !== type.low || readU32(bytes, at + 4) !== type.high) return false;
    return length === undefined || readLooseU64(bytes, at + 8) === length;
  }
}
