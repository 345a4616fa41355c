import { readLooseU64 } from './bytes.js';
import { ITEM_HEADER_BYTES, Item, itemTypeAt } from './items.js';

/** An item of the table, and its tail, are of this many bytes (pbs-format §6.4). */
export const TABLE_ITEM_BYTES = 24;

/** Length in bytes of the GOODBYE item of a folder with `count` children. */
export function goodbyeBytes(count: number): number {
  return ITEM_HEADER_BYTES + (count + 1) * TABLE_ITEM_BYTES;
}

/**
 * Which child stands where in the table: position in the table → rank by hash. The table is a binary search tree laid
 * out as an array (children of `i` at 2i+1 and 2i+2, last level filled from the left), so walking that tree in
 * order meets the ranks in order (pbs-format §6.4).
 */
export function tableOrder(count: number): Uint32Array {
  const order = new Uint32Array(count);
  let rank = 0;
  const place = (node: number): void => {
    if (node >= count) return;
    place(2 * node + 1);
    order[node] = rank;
    rank += 1;
    place(2 * node + 2);
  };
  place(0);
  return order;
}

/** Bits a double holds exactly. */
const EXACT_BITS = 53;

/**
 * The numbers 0…count-1 sorted by the hash of that number, ascending; equal hashes in any order.
 * @param high upper words of the hashes; @param low their lower words; both at least `count` long
 */
export function sortByHash(high: Uint32Array, low: Uint32Array, count: number): Uint32Array {
  // A double takes the first bits of the hash and the number behind them: doubles sort without a comparator.
  const numberBits = Math.max(1, Math.ceil(Math.log2(Math.max(count, 2))));
  const hashBits = Math.min(32, EXACT_BITS - numberBits);
  const scale = 2 ** numberBits;
  const keys = new Float64Array(count);
  for (let i = 0; i < count; i += 1) keys[i] = ((high[i] as number) >>> (32 - hashBits)) * scale + i;
  keys.sort();
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i += 1) {
    const number = (keys[i] as number) % scale;
    // Those that agree in the first bits are few: put each where the whole hash wants it.
    let at = i;
    while (at > 0 && isBelow(high, low, number, order[at - 1] as number)) {
      order[at] = order[at - 1] as number;
      at -= 1;
    }
    order[at] = number;
  }
  return order;
}

function isBelow(high: Uint32Array, low: Uint32Array, a: number, b: number): boolean {
  const highA = high[a] as number;
  const highB = high[b] as number;
  return highA === highB ? (low[a] as number) < (low[b] as number) : highA < highB;
}

/** The last 24 bytes of a table (pbs-format §6.4). */
export interface TableTail {
  /** From the start of the folder's ENTRY (of a split archive's root: from position 0) to the GOODBYE header. */
  readonly offset: number;
  /** Length of the whole GOODBYE item in bytes. */
  readonly size: number;
}

/** The tail in these 24 bytes, or undefined where they are none or its size is no table's. */
export function readTableTail(bytes: Uint8Array, at: number): TableTail | undefined {
  if (itemTypeAt(bytes, at) !== Item.goodbyeTail) return undefined;
  const offset = readLooseU64(bytes, at + 8);
  const size = readLooseU64(bytes, at + 16);
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(size) || size < goodbyeBytes(0)) return undefined;
  return (size - ITEM_HEADER_BYTES) % TABLE_ITEM_BYTES === 0 ? { offset, size } : undefined;
}
