import { CairnError } from '../core/errors.js';
import { type AttributeRecord, writeRecord } from './attributes-record.js';
import { writeU64 } from './bytes.js';
import { type Emit, ItemWriter } from './item-writer.js';
import { VarintWriter } from './varint.js';

/** First bytes of an attributes stream, and last of its tail: of SHA-256("Cairn attributes stream v1.0"). */
export const ATTRIBUTES_MAGIC: Uint8Array = Buffer.from('24d8d7633375d53a', 'hex');
export const ATTRIBUTES_TAIL_BYTES = 32;

/** A record larger than this is refused: a reader loads a page as a whole. */
export const MAX_RECORD_BYTES = 32 * 1024 * 1024;

/** A page ends with this many records, or with the record that makes it this long. */
const MAX_PAGE_RECORDS = 256;
const MAX_PAGE_BYTES = 64 * 1024;
/** A record whose name's hash has these bits all zero begins a page: so pages are on average of 64 records. */
const PAGE_HASH_MASK = 0x3f;

/** What an attributes stream came to be. */
export interface AttributesSummary {
  /** Length in bytes. */
  readonly size: number;
  readonly records: number;
  readonly pages: number;
}

/**
 * Writes the attributes stream of a snapshot (README): records in the order of their entries, grouped into pages
 * that do not depend on where they are in either stream. Memory: one page, and some 4 bytes for each page before
 * it.
 */
export class AttributesWriter {
  readonly #writer: ItemWriter;
  readonly #index = new VarintWriter();
  /** Of the page that is being filled: distance and length of each record, and the records. */
  readonly #table = new VarintWriter();
  readonly #records = new VarintWriter();
  readonly #count = new VarintWriter();
  #pageRecords = 0;
  #pageFirst = 0;
  #previousPageFirst = 0;
  #last = -1;
  #recordCount = 0;
  #pageCount = 0;

  /** @param emit takes the bytes, in pieces of up to 128 KiB, and owns them */
  constructor(emit: Emit) {
    this.#writer = new ItemWriter(emit);
    this.#writer.bytes(ATTRIBUTES_MAGIC);
  }

  /**
   * Adds the next record.
   * @param nameHash `Placed.nameHash` of the entry
   * @throws {CairnError} `invalid` for a record that does not lie behind the last one or cannot be written,
   *   `too-large` for one above 32 MiB; the stream is then worth nothing
   */
  add(record: AttributeRecord, nameHash: number): void {
    this.#begin(record.entryPosition, nameHash);
    const start = this.#records.length;
    writeRecord(this.#records, record);
    this.#end(record.entryPosition, start);
  }

  /**
   * Adds the record of an entry that is no folder and has no other names, as another stream stores it.
   * @throws {CairnError} as `add`
   */
  copy(entryPosition: number, record: Uint8Array, nameHash: number): void {
    this.#begin(entryPosition, nameHash);
    const start = this.#records.length;
    this.#records.stored(record);
    this.#end(entryPosition, start);
  }

  #begin(entryPosition: number, nameHash: number): void {
    if (!(entryPosition > this.#last)) {
      throw new CairnError('invalid', `Record of byte ${entryPosition} does not lie behind ${this.#last}`);
    }
    const full = this.#pageRecords === MAX_PAGE_RECORDS || this.#records.length >= MAX_PAGE_BYTES;
    if (this.#pageRecords > 0 && (full || (nameHash & PAGE_HASH_MASK) === 0)) this.#endPage();
    if (this.#pageRecords === 0) this.#pageFirst = entryPosition;
  }

  /** @param start where in the page the record starts */
  #end(entryPosition: number, start: number): void {
    const length = this.#records.length - start;
    if (length > MAX_RECORD_BYTES) {
      throw new CairnError(
        'too-large',
        `Attributes of one entry come to ${length} bytes; the limit is ${MAX_RECORD_BYTES}`,
      );
    }
    this.#table.number(entryPosition - (this.#pageRecords === 0 ? entryPosition : this.#last));
    this.#table.number(length);
    this.#pageRecords += 1;
    this.#recordCount += 1;
    this.#last = entryPosition;
  }

  /** Ends the stream and hands on the last bytes. */
  finish(): AttributesSummary {
    if (this.#pageRecords > 0) this.#endPage();
    this.#writer.bytes(this.#index.written());
    const tail = Buffer.alloc(ATTRIBUTES_TAIL_BYTES);
    writeU64(tail, 0, this.#index.length);
    writeU64(tail, 8, this.#pageCount);
    writeU64(tail, 16, this.#recordCount);
    tail.set(ATTRIBUTES_MAGIC, 24);
    this.#writer.bytes(tail);
    const size = this.#writer.position;
    this.#writer.flush();
    return { size, records: this.#recordCount, pages: this.#pageCount };
  }

  #endPage(): void {
    this.#count.clear();
    this.#count.number(this.#pageRecords);
    const parts = [this.#count, this.#table, this.#records];
    for (const part of parts) this.#writer.bytes(part.written());
    this.#index.number(this.#pageFirst - this.#previousPageFirst);
    this.#index.number(parts.reduce((sum, part) => sum + part.length, 0));
    for (const part of parts) part.clear();
    this.#previousPageFirst = this.#pageFirst;
    this.#pageRecords = 0;
    this.#pageCount += 1;
  }
}
