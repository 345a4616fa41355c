import type { StoredRecords } from './attributes-reader.js';
import { readLooseU64, readU32 } from './bytes.js';
import { ENTRY_BYTES } from './entry.js';
import { ITEM_HEADER_BYTES, Item } from './items.js';
import type { PayloadPlace } from './payload-items.js';

/** ENTRY with its header. */
const WHOLE_ENTRY_BYTES = ITEM_HEADER_BYTES + ENTRY_BYTES;

/**
 * Entries that follow each other in one folder of an archive, as they are stored there, with their records: FILENAME, ENTRY
 * and a body each. None is a folder, has other names or extended attributes, and whoever made this looked at each. To be
 * gone through once; nobody writes to the bytes, and views of them stay as they are.
 */
export class StoredLeaves {
  readonly count: number;
  readonly #items: Uint8Array;
  readonly #records: StoredRecords;
  #record: number;
  #left: number;
  #start = 0;
  #nameEnd = 0;
  #end = 0;
  #payload: PayloadPlace | undefined;

  /** @param records whose number `first` and the next ones are those of the entries */
  constructor(items: Uint8Array, count: number, { records, first }: { records: StoredRecords; first: number }) {
    this.count = count;
    this.#items = items;
    this.#records = records;
    this.#record = first - 1;
    this.#left = count;
  }

  /** Goes on to the next entry, which is what all else tells of; false where there is none. */
  next(): boolean {
    if (this.#left === 0) return false;
    this.#left -= 1;
    this.#record += 1;
    this.#start = this.#end;
    this.#nameEnd = this.#start + this.#lengthAt(this.#start);
    const body = this.#nameEnd + WHOLE_ENTRY_BYTES;
    this.#end = body;
    this.#payload = undefined;
    if (body >= this.#items.length || this.#isAt(Item.filename, body)) return true;
    this.#end = body + this.#lengthAt(body);
    if (this.#isAt(Item.payloadRef, body)) this.#payload = this.#payloadAt(body + ITEM_HEADER_BYTES);
    return true;
  }

  get name(): Uint8Array {
    return this.#items.subarray(this.#start + ITEM_HEADER_BYTES, this.#nameEnd - 1);
  }

  /** FILENAME and ENTRY. */
  get head(): Uint8Array {
    return this.#items.subarray(this.#start, this.#nameEnd + WHOLE_ENTRY_BYTES);
  }

  /** Length of FILENAME in bytes. */
  get filenameBytes(): number {
    return this.#nameEnd - this.#start;
  }

  /** What is behind the ENTRY. */
  get body(): Uint8Array {
    return this.#items.subarray(this.#nameEnd + WHOLE_ENTRY_BYTES, this.#end);
  }

  /** Of a regular file, where its payload is in the stream of its own archive. */
  get payload(): PayloadPlace | undefined {
    return this.#payload;
  }

  get record(): Uint8Array {
    return this.#records.bytes(this.#record);
  }

  #payloadAt(at: number): PayloadPlace {
    return { offset: readLooseU64(this.#items, at), size: readLooseU64(this.#items, at + 8) };
  }

  #isAt(type: typeof Item.filename, at: number): boolean {
    return readU32(this.#items, at) === type.low && readU32(this.#items, at + 4) === type.high;
  }

  #lengthAt(at: number): number {
    return readLooseU64(this.#items, at + 8);
  }
}
