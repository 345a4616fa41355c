import { writeU32, writeU64 } from './bytes.js';
import { ITEM_HEADER_BYTES, type ItemType, writeItemHeader, writeItemType } from './items.js';

/** Bytes are handed on in pieces of at most this many. */
export const EMIT_BYTES = 128 * 1024;

/** Takes the next bytes of a stream; they are the taker's to keep. */
export type Emit = (bytes: Uint8Array) => void;

/** Writes items one after another and hands the bytes on in large pieces. */
export class ItemWriter {
  readonly #emit: Emit;
  #buffer = Buffer.allocUnsafeSlow(EMIT_BYTES);
  #used = 0;
  #emitted = 0;

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  /** Where in the stream the next byte goes. */
  get position(): number {
    return this.#emitted + this.#used;
  }

  /** An item's header; `contentBytes` must follow. */
  header(type: ItemType, contentBytes: number): void {
    const at = this.#advance(ITEM_HEADER_BYTES);
    writeItemHeader(this.#buffer, at, type, ITEM_HEADER_BYTES + contentBytes);
  }

  type(type: ItemType): void {
    const at = this.#advance(8);
    writeItemType(this.#buffer, at, type);
  }

  /** A whole number between -2^53 and 2^53. */
  u64(value: number): void {
    const at = this.#advance(8);
    writeU64(this.#buffer, at, value);
  }

  /** A u64 given as two words. */
  words(low: number, high: number): void {
    const at = this.#advance(8);
    writeU32(this.#buffer, at, low);
    writeU32(this.#buffer, at + 4, high);
  }

  /** Room for `length` bytes (at most EMIT_BYTES), to be filled by `fill` at once. */
  fill(length: number, fill: (bytes: Uint8Array, at: number) => void): void {
    const at = this.#advance(length);
    fill(this.#buffer, at);
  }

  bytes(bytes: Uint8Array): void {
    let from = 0;
    while (from < bytes.length) {
      if (this.#used === EMIT_BYTES) this.flush();
      const length = Math.min(bytes.length - from, EMIT_BYTES - this.#used);
      this.#buffer.set(length === bytes.length ? bytes : bytes.subarray(from, from + length), this.#used);
      this.#used += length;
      from += length;
    }
  }

  /** The bytes and a NUL behind them. */
  terminated(bytes: Uint8Array): void {
    this.bytes(bytes);
    // First the place: making room may put another buffer in use.
    const at = this.#advance(1);
    this.#buffer[at] = 0;
  }

  /** Hands on what is left. */
  flush(): void {
    if (this.#used === 0) return;
    const full = this.#buffer.subarray(0, this.#used);
    this.#buffer = Buffer.allocUnsafeSlow(EMIT_BYTES);
    this.#emitted += this.#used;
    this.#used = 0;
    this.#emit(full);
  }

  #advance(length: number): number {
    if (this.#used + length > EMIT_BYTES) this.flush();
    const at = this.#used;
    this.#used += length;
    return at;
  }
}
