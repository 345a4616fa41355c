import { CairnError } from '../core/errors.js';
import type { ReadBytes } from './byte-source.js';
import { readLooseU64, readU32 } from './bytes.js';
import { kindOfMode, OLD_ENTRY_BYTES } from './entry.js';
import { ITEM_HEADER_BYTES, Item, type ItemType, itemTypeAt } from './items.js';

/** Read at once: several chunks, which are loaded side by side. */
const WINDOW_BYTES = 1024 * 1024;
/** An entry without extended attributes, with its name and the longest link target, has fewer. */
const LOOK_BYTES = 8192;

/**
 * Goes through a metadata stream from a folder's ENTRY on, item by item. `fill` is to be awaited before an entry (its FILENAME,
 * ENTRY and what is behind) and before a folder's end wherever `isReady` is false: then all of that is at hand, unless it is
 * malformed.
 */
export class ItemCursor {
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

  /** What is at hand; the next item starts at `at`. Nobody writes to it, and views of it stay as they are. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get at(): number {
    return this.#at;
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

  /** Whether the next item is of this type, and of this length, if that is given; its header and body are at hand then. */
  isNext(type: ItemType, length?: number): boolean {
    const at = this.#at;
    const bytes = this.#bytes;
    if (at + (length ?? ITEM_HEADER_BYTES + 8) > bytes.length) return false;
    if (readU32(bytes, at) !== type.low || readU32(bytes, at + 4) !== type.high) return false;
    return length === undefined || readLooseU64(bytes, at + 8) === length;
  }

  /** Goes on by so many bytes of what is at hand. */
  advance(bytes: number): void {
    this.#at += bytes;
  }

  /** The bytes of [from, to), which `fill` has not left behind. */
  between(from: number, to: number): Uint8Array {
    return this.#bytes.subarray(from - this.#start, to - this.#start);
  }

  /** Goes back to a position that `fill` has not left behind. */
  goBack(position: number): void {
    this.#at = position - this.#start;
  }

  /** Passes over an item. @returns 1 for a folder's ENTRY, -1 for its end, else 0. @throws {CairnError} `corrupt` */
  pass(): number {
    const [at, bytes] = [this.#at, this.#bytes];
    const type = at + ITEM_HEADER_BYTES > bytes.length ? undefined : itemTypeAt(bytes, at);
    const length = type === undefined ? 0 : readLooseU64(bytes, at + 8);
    if (length < ITEM_HEADER_BYTES || this.position + length > this.#size) throw this.malformed();
    this.#at = at + length;
    if (type === Item.goodbye) return -1;
    if (type !== Item.entry && type !== Item.oldEntry) return 0;
    if (length < ITEM_HEADER_BYTES + OLD_ENTRY_BYTES || this.#at > bytes.length) throw this.malformed();
    return kindOfMode(readLooseU64(bytes, at + ITEM_HEADER_BYTES)) === 'folder' ? 1 : 0;
  }

  malformed(): CairnError {
    return new CairnError('corrupt', `Archive has no item that fits at byte ${this.position}`);
  }
}
