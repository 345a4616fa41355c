import { CairnError } from '../core/errors.js';

const FIRST_CAPACITY = 4096;
/** Seven bits in each byte: eight bytes hold all that a safe integer may need. */
const MAX_BYTES = 8;

/**
 * A growing run of bytes: single ones, numbers in groups of 7 bits (least significant first, high bit: more
 * follows), and runs with their length before them.
 */
export class VarintWriter {
  #buffer = Buffer.allocUnsafe(FIRST_CAPACITY);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What was written; good until the next write. */
  written(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length] = value;
    this.#length += 1;
  }

  /**
   * @throws {CairnError} `invalid` unless it is a whole number from 0 to 2^53
   */
  number(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new CairnError('invalid', `Not a whole number: ${value}`);
    this.#reserve(MAX_BYTES);
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#length] = (rest % 0x80) | 0x80;
      this.#length += 1;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#length] = rest;
    this.#length += 1;
  }

  /**
   * A whole number of either sign, from -2^52 to 2^52: twice the value, or for a negative one twice its opposite
   * less 1.
   */
  signed(value: number): void {
    this.number(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** The bytes behind their length. */
  bytes(bytes: Uint8Array): void {
    this.number(bytes.length);
    this.stored(bytes);
  }

  /** Bytes that another one wrote. */
  stored(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #reserve(length: number): void {
    const needed = this.#length + length;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}

/**
 * Reads what VarintWriter wrote, from a stretch of bytes; CairnError `corrupt` for whatever it cannot have written.
 */
export class VarintReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** Where the next byte is read. */
  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  byte(): number {
    if (this.#at >= this.#end) throw new CairnError('corrupt', 'Attributes stream ends inside a record');
    const value = this.#bytes[this.#at] as number;
    this.#at += 1;
    return value;
  }

  number(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < MAX_BYTES; i += 1) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return this.#checked(value);
      scale *= 0x80;
    }
    return this.#checked(Number.NaN);
  }

  signed(): number {
    const value = this.number();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** A copy. */
  bytes(): Uint8Array {
    const length = this.number();
    if (length > this.left) throw new CairnError('corrupt', 'Attributes stream ends inside a record');
    const copy = new Uint8Array(length);
    copy.set(this.#bytes.subarray(this.#at, this.#at + length));
    this.#at += length;
    return copy;
  }

  #checked(value: number): number {
    if (!Number.isSafeInteger(value)) throw new CairnError('corrupt', 'Attributes stream holds an impossible number');
    return value;
  }
}
