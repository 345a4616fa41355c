import { readI64, readLooseU64, readU32 } from './bytes.js';
import { ENTRY_BYTES, type Stat } from './entry.js';
import type { ItemCursor } from './item-cursor.js';
import { ITEM_HEADER_BYTES, Item, type ItemType } from './items.js';

/**
 * Compares a metadata stream with a tree it may be the archive of. Each question is whether the next item is just so; it is
 * passed over if it is, and only then. The item has to be at hand (see `ItemCursor`). What is malformed is not what was asked for, or
 * CairnError `corrupt`.
 */
export class ArchiveCursor {
  readonly #items: ItemCursor;

  constructor(items: ItemCursor) {
    this.#items = items;
  }

  /** A FILENAME: the bytes [start, end) of `names`. */
  isName(names: Uint8Array, start: number, end: number): boolean {
    return this.#isText(Item.filename, names, start, end);
  }

  /** An ENTRY without flags. */
  isEntry({ mode, uid, gid, mtimeSec, mtimeNsec }: Stat): boolean {
    const { bytes } = this.#items;
    const at = this.#items.at + ITEM_HEADER_BYTES;
    if (!this.#items.isNext(Item.entry, ITEM_HEADER_BYTES + ENTRY_BYTES)) return false;
    if (readLooseU64(bytes, at) !== mode || readLooseU64(bytes, at + 8) !== 0) return false;
    if (readU32(bytes, at + 16) !== uid || readU32(bytes, at + 20) !== gid) return false;
    if (readI64(bytes, at + 24) !== mtimeSec || readU32(bytes, at + 32) !== mtimeNsec) return false;
    this.#items.advance(ITEM_HEADER_BYTES + ENTRY_BYTES);
    return true;
  }

  /** A PAYLOAD_REF to content of this length: its offset; undefined where it is none. */
  payloadOf(size: number): number | undefined {
    const { bytes } = this.#items;
    const at = this.#items.at + ITEM_HEADER_BYTES;
    if (!this.#items.isNext(Item.payloadRef, ITEM_HEADER_BYTES + 16)) return undefined;
    if (readLooseU64(bytes, at + 8) !== size) return undefined;
    this.#items.advance(ITEM_HEADER_BYTES + 16);
    return readLooseU64(bytes, at);
  }

  /** That the entry has no more items. */
  isEntryEnd(): boolean {
    return this.#items.isNext(Item.filename) || this.#items.isNext(Item.goodbye);
  }

  isTarget(target: Uint8Array): boolean {
    return this.#isText(Item.symlink, target, 0, target.length);
  }

  isDevice(major: number, minor: number): boolean {
    const { bytes } = this.#items;
    const at = this.#items.at + ITEM_HEADER_BYTES;
    if (!this.#items.isNext(Item.device, ITEM_HEADER_BYTES + 16)) return false;
    if (readLooseU64(bytes, at) !== major || readLooseU64(bytes, at + 8) !== minor) return false;
    this.#items.advance(ITEM_HEADER_BYTES + 16);
    return true;
  }

  /** A HARDLINK to the file whose FILENAME is so many bytes before that of the link. */
  isLink(distance: number): boolean {
    const { bytes } = this.#items;
    const at = this.#items.at + ITEM_HEADER_BYTES;
    if (!this.#items.isNext(Item.hardLink)) return false;
    if (readLooseU64(bytes, at) !== distance) return false;
    this.#items.pass();
    return true;
  }

  /** A folder's table. */
  isFolderEnd(): boolean {
    if (!this.#items.isNext(Item.goodbye)) return false;
    this.#items.pass();
    return true;
  }

  #isText(type: ItemType, text: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    const { bytes } = this.#items;
    const at = this.#items.at + ITEM_HEADER_BYTES;
    if (!this.#items.isNext(type, ITEM_HEADER_BYTES + length + 1)) return false;
    for (let i = 0; i < length; i += 1) if (bytes[at + i] !== text[start + i]) return false;
    if (bytes[at + length] !== 0) return false;
    this.#items.advance(ITEM_HEADER_BYTES + length + 1);
    return true;
  }
}
