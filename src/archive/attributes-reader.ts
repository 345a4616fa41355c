import { LRUCache } from 'lru-cache';
import { CairnError } from '../core/errors.js';
import { type AttributeRecord, readRecord } from './attributes-record.js';
import { ATTRIBUTES_MAGIC, ATTRIBUTES_TAIL_BYTES, MAX_RECORD_BYTES } from './attributes-writer.js';
import { ByteSource, type ReadBytes } from './byte-source.js';
import { copyOf, readLooseU64 } from './bytes.js';
import { type Awaitable, run, type Steps } from './steps.js';
import { VarintReader } from './varint.js';

/** What a reader needs to know of an attributes stream. */
export interface AttributesReaderOptions {
  readonly read: ReadBytes;
  /** Length of the stream in bytes. */
  readonly size: number;
  /** How many bytes of pages to keep. */
  readonly cachedPageBytes?: number;
}

/**
 * Where the pages are; page `i` is the bytes [starts[i], starts[i + 1]) and begins with the record of `firsts[i]`.
 */
interface PageIndex {
  readonly firsts: Float64Array;
  readonly starts: Float64Array;
}

/** Pages that follow each other: where their first entries are, and where in the stream each starts and the last one ends. */
export interface PagePlaces {
  readonly firsts: Float64Array;
  readonly starts: Float64Array;
}

/** Records of entries that follow each other, as they are stored: that does not depend on where the entries are. */
export interface StoredRecords {
  readonly count: number;
  /** Position of the entry of record `i`. */
  position(i: number): number;
  /** A view of what stays as it is; not to be written to. */
  bytes(i: number): Uint8Array;
  /** Below this position there are no more records than these; where to go on. */
  readonly next: number;
}

interface Page {
  readonly bytes: Uint8Array;
  /** Entry positions of the records. */
  readonly positions: Float64Array;
  /** Where in `bytes` each record starts, and where the last one ends. */
  readonly starts: Float64Array;
}

const CACHED_PAGE_BYTES = 8 * 1024 * 1024;
/** A page whose last record is as large as it may be. */
const MAX_PAGE_BYTES = MAX_RECORD_BYTES + 1024 * 1024;
/** An index larger than this would be that of a billion entries. */
const MAX_INDEX_BYTES = 128 * 1024 * 1024;

/**
 * Finds records of an attributes stream by the position of their entry. The index is kept in memory (16 bytes for
 * some 64 records), pages are loaded as needed. Answers come at once where all bytes needed are at hand, else as a
 * promise. All methods throw (or reject with) CairnError `corrupt` for a malformed stream, and whatever `read`
 * throws.
 */
export class AttributesReader {
  readonly recordCount: number;
  readonly #source: ByteSource;
  readonly #index: PageIndex;
  readonly #pages: LRUCache<number, Page>;

  private constructor(source: ByteSource, index: PageIndex, recordCount: number, cachedPageBytes: number) {
    this.#source = source;
    this.#index = index;
    this.recordCount = recordCount;
    this.#pages = new LRUCache({
      maxSize: cachedPageBytes,
      sizeCalculation: ({ bytes, positions }) => Math.min(cachedPageBytes, bytes.length + 16 * positions.length),
    });
  }

  /**
   * Opens an attributes stream by its tail.
   * @throws {CairnError} `corrupt` where it is none
   */
  static open(options: AttributesReaderOptions): Awaitable<AttributesReader> {
    const source = new ByteSource(options.read, options.size);
    return run(
      (function* (): Steps<AttributesReader> {
        const { index, recordCount } = yield* readIndex(source);
        return new AttributesReader(source, index, recordCount, options.cachedPageBytes ?? CACHED_PAGE_BYTES);
      })(),
    );
  }

  /** The record of the entry whose ENTRY is at `entryPosition`, or undefined where there is none. */
  record(entryPosition: number): Awaitable<AttributeRecord | undefined> {
    const number = lastAtOrBelow(this.#index.firsts, entryPosition);
    if (number < 0) return undefined;
    const page = this.#pages.get(number);
    return page === undefined ? run(this.#loadRecord(number, entryPosition)) : recordIn(page, entryPosition);
  }

  /** The pages that hold all records of entries in [from, to), with perhaps some of their neighbours; nothing is read. */
  pagesOf(from: number, to: number): PagePlaces {
    const { firsts, starts } = this.#index;
    const first = Math.max(0, lastAtOrBelow(firsts, from));
    const behind = Math.max(first, lastAtOrBelow(firsts, to - 1) + 1);
    return { firsts: firsts.subarray(first, behind), starts: starts.subarray(first, behind + 1) };
  }

  /** The first records of entries in [from, to): those of one page. */
  stored(from: number, to: number): Awaitable<StoredRecords> {
    return run(this.#stored(from, to));
  }

  *#stored(from: number, to: number): Steps<StoredRecords> {
    const { firsts } = this.#index;
    const number = Math.max(0, lastAtOrBelow(firsts, from));
    const next = Math.min(to, firsts[number + 1] ?? to);
    const { bytes, positions, starts } = this.#pages.get(number) ?? (yield* this.#load(number));
    const first = lastAtOrBelow(positions, from - 1) + 1;
    return {
      count: lastAtOrBelow(positions, next - 1) + 1 - first,
      position: (i) => positions[first + i] as number,
      bytes: (i) => bytes.subarray(starts[first + i], starts[first + i + 1]),
      next,
    };
  }

  *#loadRecord(page: number, entryPosition: number): Steps<AttributeRecord | undefined> {
    return recordIn(yield* this.#load(page), entryPosition);
  }

  *#load(number: number): Steps<Page> {
    const start = this.#index.starts[number] as number;
    const length = (this.#index.starts[number + 1] as number) - start;
    if (length > MAX_PAGE_BYTES) throw new CairnError('corrupt', `Attributes stream has a page of ${length} bytes`);
    const read = yield* this.#source.bytes(start, length);
    const page = decodePage(copyOf(read, 0, length), this.#index.firsts[number] as number);
    this.#pages.set(number, page);
    return page;
  }
}

function recordIn({ bytes, positions, starts }: Page, entryPosition: number): AttributeRecord | undefined {
  const at = lastAtOrBelow(positions, entryPosition);
  if (at < 0 || positions[at] !== entryPosition) return undefined;
  return readRecord(new VarintReader(bytes, starts[at] as number, starts[at + 1] as number), entryPosition);
}

function* readIndex(source: ByteSource): Steps<{ index: PageIndex; recordCount: number }> {
  const magicBytes = ATTRIBUTES_MAGIC.length;
  const tailStart = source.size - ATTRIBUTES_TAIL_BYTES;
  const magic = copyOf(yield* source.bytes(0, magicBytes), 0, magicBytes);
  const tail = yield* source.bytes(tailStart, ATTRIBUTES_TAIL_BYTES);
  if (Buffer.compare(magic, ATTRIBUTES_MAGIC) !== 0 || Buffer.compare(tail.subarray(24), ATTRIBUTES_MAGIC) !== 0) {
    throw new CairnError('corrupt', 'Not an attributes stream: wrong magic');
  }
  const indexBytes = readLooseU64(tail, 0);
  const pageCount = readLooseU64(tail, 8);
  const recordCount = readLooseU64(tail, 16);
  const room = Math.min(tailStart - magicBytes, MAX_INDEX_BYTES);
  // Two numbers stand in the index for each page, and no page is without a record.
  if (indexBytes > room || pageCount * 2 > indexBytes || pageCount > recordCount || recordCount > source.size) {
    throw new CairnError('corrupt', 'Attributes stream has a malformed tail');
  }
  const indexStart = tailStart - indexBytes;
  const bytes = yield* source.bytes(indexStart, indexBytes);
  return { index: decodeIndex(bytes, pageCount, magicBytes, indexStart), recordCount };
}

function decodeIndex(bytes: Uint8Array, pageCount: number, firstPage: number, end: number): PageIndex {
  const reader = new VarintReader(bytes);
  const firsts = new Float64Array(pageCount);
  const starts = new Float64Array(pageCount + 1);
  let position = 0;
  let start = firstPage;
  for (let i = 0; i < pageCount; i += 1) {
    const distance = reader.number();
    position += distance;
    if (i > 0 && distance === 0) throw new CairnError('corrupt', 'Attributes stream has pages out of order');
    firsts[i] = position;
    starts[i] = start;
    start += reader.number();
  }
  starts[pageCount] = start;
  if (reader.left > 0 || start !== end) throw new CairnError('corrupt', 'Attributes stream has a malformed index');
  return { firsts, starts };
}

function decodePage(bytes: Uint8Array, first: number): Page {
  const reader = new VarintReader(bytes);
  const count = reader.number();
  if (count < 1 || count * 2 > reader.left) throw new CairnError('corrupt', 'Attributes stream has a malformed page');
  const positions = new Float64Array(count);
  const starts = new Float64Array(count + 1);
  let position = first;
  let length = 0;
  for (let i = 0; i < count; i += 1) {
    const distance = reader.number();
    if ((i === 0) !== (distance === 0)) throw new CairnError('corrupt', 'Attributes stream has records out of order');
    position += distance;
    positions[i] = position;
    starts[i] = length;
    length += reader.number();
  }
  starts[count] = length;
  if (length !== reader.left) throw new CairnError('corrupt', 'Attributes stream has a malformed page');
  for (let i = 0; i <= count; i += 1) starts[i] = (starts[i] as number) + reader.at;
  return { bytes, positions, starts };
}

/** Index of the last number that is not above `value`; -1 where there is none. */
function lastAtOrBelow(numbers: Float64Array, value: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
