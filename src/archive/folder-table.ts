import { CairnError } from '../core/errors.js';
import { type ByteSource, ByteWindow } from './byte-source.js';
import { readLooseU64, readU32 } from './bytes.js';
import { kindOfMode } from './entry.js';
import { goodbyeBytes, readTableTail, TABLE_ITEM_BYTES } from './goodbye.js';
import { ITEM_HEADER_BYTES, Item, readItemHeader } from './items.js';
import { type Steps, settled } from './steps.js';

/** A folder's GOODBYE table, found and believed: its tail leads back to the folder. */
export interface FolderTable {
  /** Position of the folder's ENTRY. */
  readonly entryPosition: number;
  /** Position of the GOODBYE header. */
  readonly goodbyePosition: number;
  /** How many children. */
  readonly count: number;
}

/** A child's line in a table. */
export interface TableItem {
  /** Position of the child's FILENAME. */
  readonly start: number;
  /** Where the table claims that the child ends; PBS may count payload bytes that are elsewhere. */
  readonly claimedEnd: number;
}

/** More children than any folder has; their positions would be 256 MiB. */
const MAX_CHILDREN = 2 ** 25;
/** A child is at least a FILENAME of one byte and a HARDLINK to a path of one byte. */
const MIN_CHILD_BYTES = ITEM_HEADER_BYTES + 2 + ITEM_HEADER_BYTES + 8 + 2;
/** The upper levels of the tree, read at once in a lookup. */
const LOOKUP_READ_AHEAD = 4096;
const SCAN_READ_AHEAD = 64 * 1024;
/** Names compared in one lookup before the table counts as made up: equal hashes are rare beyond measure. */
const MAX_CANDIDATES = 1024;
/** Folders nested deeper than this are refused on a walk, which remembers each of them. */
const MAX_DEPTH = 65_536;
/** A long walk lets others run after this many items. */
const ITEMS_PER_TURN = 32_768;

/**
 * The table that ends at `end`, if there is one and it is the folder's whose ENTRY is at `entryPosition`.
 * @param backReference where the tail must lead: the ENTRY, for the root of a split archive also 0
 */
export function* tableEndingAt(
  source: ByteSource,
  end: number,
  entryPosition: number,
  backReference = entryPosition,
): Steps<FolderTable | undefined> {
  const least = goodbyeBytes(0);
  if (!Number.isSafeInteger(end) || end > source.size || end - least < entryPosition) return undefined;
  const tail = readTableTail(yield* source.bytes(end - TABLE_ITEM_BYTES, TABLE_ITEM_BYTES), 0);
  if (tail === undefined) return undefined;
  const goodbyePosition = end - tail.size;
  const count = (tail.size - least) / TABLE_ITEM_BYTES;
  const room = goodbyePosition - entryPosition - ITEM_HEADER_BYTES;
  if (goodbyePosition - tail.offset !== backReference || count * MIN_CHILD_BYTES > room) return undefined;
  const header = readItemHeader(yield* source.bytes(goodbyePosition, ITEM_HEADER_BYTES), 0, goodbyePosition);
  if (header.type !== Item.goodbye || header.length !== tail.size) return undefined;
  if (count > MAX_CHILDREN) throw new CairnError('corrupt', `Folder at byte ${entryPosition} claims ${count} children`);
  return { entryPosition, goodbyePosition, count };
}

/** Reads the i-th line of a table and checks that it leads to somewhere inside the folder. */
function itemIn(table: FolderTable, bytes: Uint8Array, at: number): TableItem {
  const start = table.goodbyePosition - readLooseU64(bytes, at + 8);
  const claimedEnd = start + readLooseU64(bytes, at + 16);
  // The folder's ENTRY comes before its children, so no path through tables can lead back to where it began.
  if (!(start > table.entryPosition && start < table.goodbyePosition)) {
    throw new CairnError('corrupt', `Folder at byte ${table.entryPosition} lists a child at byte ${start}`);
  }
  return { start, claimedEnd };
}

/**
 * The children whose names have this hash, one after the other.
 * @param visit tells whether the child was the one; ends the search
 */
export function* findInTable<T>(
  source: ByteSource,
  table: FolderTable,
  hash: { readonly low: number; readonly high: number },
  visit: (item: TableItem) => Steps<T | undefined>,
): Steps<T | undefined> {
  const items = table.goodbyePosition + ITEM_HEADER_BYTES;
  const top = new ByteWindow(source, LOOKUP_READ_AHEAD, items + table.count * TABLE_ITEM_BYTES);
  let below: ByteWindow | undefined;
  const nodes = [0];
  let candidates = 0;
  if (table.count > 0) yield* top.load(items, TABLE_ITEM_BYTES);
  for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
    if (node >= table.count) continue;
    const position = items + node * TABLE_ITEM_BYTES;
    let window = top;
    if (!top.holds(position, TABLE_ITEM_BYTES)) {
      below ??= new ByteWindow(source, TABLE_ITEM_BYTES);
      yield* below.load(position, TABLE_ITEM_BYTES);
      window = below;
    }
    const at = window.at(position, TABLE_ITEM_BYTES);
    const order = compareHash(window.bytes, at, hash);
    if (order > 0) nodes.push(2 * node + 1);
    else if (order < 0) nodes.push(2 * node + 2);
    else {
      candidates += 1;
      if (candidates > MAX_CANDIDATES) {
        throw new CairnError('corrupt', `Folder at byte ${table.entryPosition} lists too many names of one hash`);
      }
      const found = yield* visit(itemIn(table, window.bytes, at));
      if (found !== undefined) return found;
      nodes.push(2 * node + 1, 2 * node + 2);
    }
  }
  return undefined;
}

/** Whether the hash in the table is above (1), below (-1) or the one looked for (0). */
function compareHash(bytes: Uint8Array, at: number, { low, high }: { low: number; high: number }): number {
  const highHere = readU32(bytes, at + 4);
  if (highHere !== high) return highHere > high ? 1 : -1;
  return Math.sign(readU32(bytes, at) - low);
}

/**
 * Positions of the children's FILENAMEs in archive order.
 * @throws {CairnError} `corrupt`, also where a child is listed twice
 */
export function* childPositions(source: ByteSource, table: FolderTable): Steps<Float64Array> {
  const positions = new Float64Array(table.count);
  const items = table.goodbyePosition + ITEM_HEADER_BYTES;
  const window = new ByteWindow(source, SCAN_READ_AHEAD, items + table.count * TABLE_ITEM_BYTES);
  for (let i = 0; i < table.count; i += 1) {
    const position = items + i * TABLE_ITEM_BYTES;
    if (!window.holds(position, TABLE_ITEM_BYTES)) yield* window.load(position, TABLE_ITEM_BYTES);
    const at = window.at(position, TABLE_ITEM_BYTES);
    positions[i] = itemIn(table, window.bytes, at).start;
  }
  positions.sort();
  for (let i = 1; i < positions.length; i += 1) {
    if (positions[i] === positions[i - 1]) {
      throw new CairnError('corrupt', `Folder at byte ${table.entryPosition} lists a child twice`);
    }
  }
  return positions;
}

/** Index of the first position above `position`; the length where there is none. */
export function firstAbove(positions: Float64Array, position: number): number {
  let low = 0;
  let high = positions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((positions[middle] as number) > position) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * Walks a folder from its ENTRY to the end of its table, item by item, where no table told the way.
 * @param found is told of each folder on the way, itself last: where its ENTRY is and where it ends
 * @returns where the folder ends
 * @throws {CairnError} `corrupt`
 */
export function* walkFolder(
  source: ByteSource,
  entryPosition: number,
  found: (entryPosition: number, end: number) => void,
): Steps<number> {
  const window = new ByteWindow(source, SCAN_READ_AHEAD);
  const open: number[] = [];
  let position = entryPosition;
  for (let items = 1; ; items += 1) {
    if (items % ITEMS_PER_TURN === 0) yield* settled(new Promise<void>((resolve) => setImmediate(resolve)));
    // A table's tail is behind every item, so there are bytes to look at behind every header.
    if (!window.holds(position, ITEM_HEADER_BYTES + 4)) yield* window.load(position, ITEM_HEADER_BYTES + 4);
    const at = window.at(position, ITEM_HEADER_BYTES + 4);
    const { type, length } = readItemHeader(window.bytes, at, position);
    const next = position + length;
    if (type === Item.entry || type === Item.oldEntry) {
      const mode = readU32(window.bytes, at + ITEM_HEADER_BYTES);
      if (kindOfMode(mode) === 'folder') open.push(position);
      if (open.length > MAX_DEPTH) throw new CairnError('corrupt', `Folders at byte ${position} are nested too deep`);
    } else if (type === Item.goodbye) {
      const folder = open.pop();
      if (folder !== undefined) found(folder, next);
      if (folder === undefined || folder === entryPosition) return next;
    }
    position = next;
  }
}
