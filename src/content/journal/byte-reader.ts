import { CairnError } from '../../core/errors.js';

/** Reads what ByteWriter wrote. Every read past the end is `corrupt`, whatever the bytes say. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#advance(1));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#advance(4));
  }

  number(): number {
    const value = this.#bytes.readDoubleLE(this.#advance(8));
    if (!Number.isFinite(value)) throw new CairnError('corrupt', 'Journal record holds a number that is none');
    return value;
  }

  bytes(): Buffer {
    return this.fixed(this.u32());
  }

  /** A copy, so that it outlives the record. */
  fixed(length: number): Buffer {
    const at = this.#advance(length);
    return Buffer.from(this.#bytes.subarray(at, at + length));
  }

  #advance(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) throw new CairnError('corrupt', 'Journal record ends too early');
    this.#at = at + length;
    return at;
  }
}
