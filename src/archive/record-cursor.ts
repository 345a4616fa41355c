import type { AttributesReader, StoredRecords } from './attributes-reader.js';
import { type ExpectedRecord, isRecordOf } from './attributes-record.js';
import { VarintReader } from './varint.js';

const NO_RECORDS: StoredRecords = { count: 0, position: () => -1, bytes: () => new Uint8Array(0), next: 0 };
const END = Number.MAX_SAFE_INTEGER;

/** Records that follow each other. */
export interface StoredStretch {
  readonly records: StoredRecords;
  /** Number of the first one. */
  readonly first: number;
}

/** Goes through an attributes stream record by record; `fill` is to be awaited wherever `isReady` is false. */
export class RecordCursor {
  readonly #records: Pick<AttributesReader, 'stored'>;
  #page = NO_RECORDS;
  #at = 0;
  /** What lies before is not read. */
  #from = 0;

  constructor(records: Pick<AttributesReader, 'stored'>) {
    this.#records = records;
  }

  get isReady(): boolean {
    return this.#at < this.#page.count || this.#page.next === END;
  }

  /** Reads the next page. Rejects with what reading gives. */
  async fill(): Promise<void> {
    this.#page = await this.#records.stored(Math.max(this.#page.next, this.#from), END);
    this.#at = 0;
  }

  /** Passes over the records of entries before this position. @returns whether that is done; else `fill` is to be awaited, and this asked again */
  seek(entryPosition: number): boolean {
    while (this.#at < this.#page.count && this.#page.position(this.#at) < entryPosition) this.#at += 1;
    if (this.isReady) return true;
    this.#from = Math.max(this.#from, entryPosition);
    return false;
  }

  /** The records from here on that are at hand, as they are stored. */
  get rest(): StoredStretch {
    return { records: this.#page, first: this.#at };
  }

  /** Whether the next record is that of the entry at this position and just so; passed over then. @throws {CairnError} `corrupt` */
  isRecord(entryPosition: number, expected: ExpectedRecord): boolean {
    const { count } = this.#page;
    if (this.#at >= count || this.#page.position(this.#at) !== entryPosition) return false;
    if (!isRecordOf(new VarintReader(this.#page.bytes(this.#at)), entryPosition, expected)) return false;
    this.#at += 1;
    return true;
  }

  /** Whether no record is left; to be asked where `isReady`. */
  get isAtEnd(): boolean {
    return this.#at >= this.#page.count;
  }
}
