/**
 * A growing buffer that fields are appended to, little-endian. Numbers up to 2^53 are written as doubles, which
 * hold them exactly. `bytes()` is a view that the next `reset` invalidates: one writer serves one record at a time.
 */
export class ByteWriter {
  #buffer = Buffer.allocUnsafeSlow(64 * 1024);
  #length = 0;

  reset(): void {
    this.#length = 0;
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#length = this.#buffer.writeUInt8(value, this.#length);
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32LE(value, this.#length);
  }

  number(value: number): void {
    this.#reserve(8);
    this.#length = this.#buffer.writeDoubleLE(value, this.#length);
  }

  /** Length (u32) and bytes. */
  bytes(value: Uint8Array): void {
    this.u32(value.length);
    this.fixed(value);
  }

  /** Bytes whose length the reader knows. */
  fixed(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  /** Puts a number where a field was written before. */
  patchU32(at: number, value: number): void {
    this.#buffer.writeUInt32LE(value, at);
  }

  view(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#length + more));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}
