import { DIGEST_BYTES, type Digest } from '../../core/digest.js';

const FIRST_SLOTS = 1024;

/** Digests, about 60 bytes of memory each, whatever their number. */
export class DigestSet {
  /** Number of a digest in `#digests` plus one; 0: free. The length is a power of two. */
  #slots = new Uint32Array(FIRST_SLOTS);
  #digests = Buffer.alloc((FIRST_SLOTS / 2) * DIGEST_BYTES);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds a digest, which is copied. @returns false where it was there already */
  add(digest: Digest): boolean {
    const slot = this.#slotOf(digest);
    if (this.#slots[slot] !== 0) return false;
    this.#digests.set(digest, this.#size * DIGEST_BYTES);
    this.#size += 1;
    this.#slots[slot] = this.#size;
    if (this.#size * 2 === this.#slots.length) this.#grow();
    return true;
  }

  /** Where the digest is, or would be: digests are as good as random, so their first bytes spread them. */
  #slotOf(digest: Digest): number {
    const mask = this.#slots.length - 1;
    const first = new DataView(digest.buffer, digest.byteOffset, DIGEST_BYTES).getUint32(0);
    for (let slot = first & mask; ; slot = (slot + 1) & mask) {
      const number = this.#slots[slot] as number;
      if (number === 0 || this.#at(number - 1).equals(digest)) return slot;
    }
  }

  #at(index: number): Buffer {
    return this.#digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
  }

  #grow(): void {
    const digests = Buffer.alloc(this.#digests.length * 2);
    this.#digests.copy(digests);
    this.#digests = digests;
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let index = 0; index < this.#size; index += 1) this.#slots[this.#slotOf(this.#at(index))] = index + 1;
  }
}
