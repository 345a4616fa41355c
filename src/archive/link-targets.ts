import type { ReadBytes } from './byte-source.js';
import { readLooseU64 } from './bytes.js';
import { ItemCursor } from './item-cursor.js';
import { ITEM_HEADER_BYTES, Item, itemTypeAt } from './items.js';

/**
 * Where hard links in a folder, at whatever depth, lead: positions of ENTRYs, some of them outside the folder. Goes through all
 * of the folder once. Rejects with CairnError `corrupt` where it is malformed, and as reading does.
 * @param size length of the stream in bytes
 * @param folder position of its ENTRY
 */
export async function linkTargets(read: ReadBytes, size: number, folder: number): Promise<Set<number>> {
  const targets = new Set<number>();
  for (const name of await namesLinkedTo(new ItemCursor(read, size, folder))) {
    // A link that leads nowhere is told of by whoever follows it.
    if (!Number.isSafeInteger(name) || name < 0 || name + ITEM_HEADER_BYTES > size) continue;
    const header = await read(name, ITEM_HEADER_BYTES);
    if (itemTypeAt(header, 0) === Item.filename) targets.add(name + readLooseU64(header, 8));
  }
  return targets;
}

/** Positions of the FILENAMEs that links lead to, in the order the links were met. */
async function namesLinkedTo(items: ItemCursor): Promise<Set<number>> {
  const names = new Set<number>();
  let name = items.position;
  for (let depth = 0; ; ) {
    if (!items.isReady) await items.fill();
    if (items.isNext(Item.filename)) name = items.position;
    else if (items.isNext(Item.hardLink)) names.add(name - readLooseU64(items.bytes, items.at + ITEM_HEADER_BYTES));
    depth += items.pass();
    if (depth <= 0) return names;
  }
}
