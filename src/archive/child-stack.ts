import { goodbyeBytes, sortByHash, tableOrder } from './goodbye.js';
import type { ItemWriter } from './item-writer.js';
import { ITEM_HEADER_BYTES, Item } from './items.js';

const FIRST_CAPACITY = 1024;

/**
 * The children of all open folders, innermost last: a folder's children lie together, since a subfolder's are
 * taken off before the subfolder itself is put on. 24 bytes for each child.
 */
export class ChildStack {
  #hashHigh = new Uint32Array(FIRST_CAPACITY);
  #hashLow = new Uint32Array(FIRST_CAPACITY);
  #start = new Float64Array(FIRST_CAPACITY);
  #end = new Float64Array(FIRST_CAPACITY);
  #count = 0;

  /** How many children there are: the mark to give `writeTable` when the folder opened now ends. */
  get count(): number {
    return this.#count;
  }

  /**
   * Adds a child of the innermost folder.
   * @param start position of its FILENAME; @param end position behind the child
   */
  push(hashLow: number, hashHigh: number, start: number, end: number): void {
    const at = this.#count;
    if (at === this.#start.length) this.#grow();
    this.#hashLow[at] = hashLow;
    this.#hashHigh[at] = hashHigh;
    this.#start[at] = start;
    this.#end[at] = end;
    this.#count = at + 1;
  }

  /**
   * Takes the children above `mark` off and writes their GOODBYE item.
   * @param backReference position the tail's offset leads back to
   */
  writeTable(writer: ItemWriter, mark: number, backReference: number): void {
    const goodbye = writer.position;
    const count = this.#count - mark;
    const byHash = sortByHash(this.#hashHigh.subarray(mark), this.#hashLow.subarray(mark), count);
    const order = tableOrder(count);
    writer.header(Item.goodbye, goodbyeBytes(count) - ITEM_HEADER_BYTES);
    for (let i = 0; i < count; i += 1) {
      const child = mark + (byHash[order[i] as number] as number);
      const start = this.#start[child] as number;
      writer.words(this.#hashLow[child] as number, this.#hashHigh[child] as number);
      writer.u64(goodbye - start);
      writer.u64((this.#end[child] as number) - start);
    }
    writer.type(Item.goodbyeTail);
    writer.u64(goodbye - backReference);
    writer.u64(goodbyeBytes(count));
    this.#count = mark;
  }

  #grow(): void {
    const capacity = this.#start.length * 2;
    this.#hashHigh = grown(this.#hashHigh, new Uint32Array(capacity));
    this.#hashLow = grown(this.#hashLow, new Uint32Array(capacity));
    this.#start = grown(this.#start, new Float64Array(capacity));
    this.#end = grown(this.#end, new Float64Array(capacity));
  }
}

function grown<T extends Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
