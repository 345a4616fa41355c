import type { AttributesReader, StoredRecords } from './attributes-reader.js';
import { type ExpectedRecord, isRecordOf } from './attributes-record.js';
import { VarintReader } from './varint.js';

const NO_RECORDS: StoredRecords = { count: 0, position: () => -1, bytes: () => new Uint8Array(0), next: 0 };
const END = Number.MAX_SAFE_INTEGER;

/** Goes through an attributes stream record by record; `fill` is to be awaited wherever `isReady` is false. */
export class RecordCursor {
  readonly #records: Pick<AttributesReader, 'stored'>;
  #page = NO_RECORDS;
  #at = 0;

  constructor(records: Pick<AttributesReader, 'stored'>) {
    this.#records = records;
  }

  get isReady(): boolean {
    return this.#at < this.#page.count || this.#page.next === END;
  }

  /** Reads the next page. Rejects with what reading gives. */
  async fill(): Promise<void> {
    this.#page = await this.#records.stored(this.#page.next, END);
    this.#at = 0;
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
