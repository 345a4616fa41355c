import { readLooseU64 } from './bytes.js';
import type { ItemCursor } from './item-cursor.js';
import { ITEM_HEADER_BYTES, Item, itemTypeAt } from './items.js';

/**
 * Goes through the names of an archive's folders, into some and over others. What says so needs the next entry at hand (see
 * `ItemCursor`), all else reads on by itself. All throw or reject with CairnError `corrupt`, and as reading does.
 */
export class FolderCursor {
  readonly #items: ItemCursor;

  constructor(items: ItemCursor) {
    this.#items = items;
  }

  /**
   * How the next name, which is to be at hand, stands to the bytes [start, end) of `names`: below 0 before it, 0 the same, above
   * 0 behind it, as the folder's end does.
   */
  orderOfName(names: Uint8Array, start: number, end: number): number {
    const items = this.#items;
    if (items.isNext(Item.goodbye)) return 1;
    if (!items.isNext(Item.filename)) throw items.malformed();
    const { bytes, at } = items;
    const from = at + ITEM_HEADER_BYTES;
    const to = at + readLooseU64(bytes, at + 8) - 1;
    if (to <= from || to >= bytes.length) throw items.malformed();
    const both = Math.min(to - from, end - start);
    for (let i = 0; i < both; i += 1) {
      const difference = (bytes[from + i] as number) - (names[start + i] as number);
      if (difference !== 0) return difference;
    }
    return to - from - (end - start);
  }

  /** Where the ENTRY of the next name is, which is to be at hand; undefined for a hard link, which has none. */
  get entryPosition(): number | undefined {
    const { bytes, at, position } = this.#items;
    const length = readLooseU64(bytes, at + 8);
    return itemTypeAt(bytes, at + length) === Item.entry ? position + length : undefined;
  }

  /**
   * Goes into a folder, its name and attributes passed over. @returns the position of its ENTRY; undefined where the next
   * entry is none, which is not passed over
   */
  async enter(): Promise<number | undefined> {
    const items = this.#items;
    if (!items.isReady) await items.fill();
    const start = items.position;
    // The root has no name.
    if (items.isNext(Item.filename)) items.pass();
    const { position } = items;
    if (items.pass() !== 1) {
      items.goBack(start);
      return undefined;
    }
    await this.#passUntil(() => this.#isEntryEnd());
    return position;
  }

  /** Passes over what is left of the folder, and its end. */
  async leave(): Promise<void> {
    await this.#passUntil((depth) => depth < 0);
  }

  /** Passes over the next entry, with all that is in it. */
  async skip(): Promise<void> {
    const items = this.#items;
    if (!items.isReady) await items.fill();
    if (!items.isNext(Item.filename)) throw items.malformed();
    items.pass();
    await this.#passUntil((depth) => depth === 0 && this.#isEntryEnd());
  }

  #isEntryEnd(): boolean {
    return this.#items.isNext(Item.filename) || this.#items.isNext(Item.goodbye);
  }

  /** Passes over items until that is so. @param isSo told how many folders deeper the next item is than the first one */
  async #passUntil(isSo: (depth: number) => boolean): Promise<void> {
    const items = this.#items;
    for (let depth = 0; ; depth += items.pass()) {
      if (!items.isReady) await items.fill();
      if (isSo(depth)) return;
    }
  }
}
