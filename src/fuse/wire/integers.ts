// The protocol is in the machine's byte order; every machine Cairn runs on is little-endian, as typed arrays then are.
// 64-bit fields are read as numbers, without BigInt: they are on the way of every request.

const HIGH = 0x1_0000_0000;

/** Bytes of memory, and the same as aligned 32-bit words. */
export interface WordView {
  readonly bytes: Buffer;
  readonly words: Uint32Array;
}

/** An unsigned 64-bit field at a word index; above 2^53 it is not exact, which callers refuse. */
export function readU64(words: Uint32Array, index: number): number {
  return words[index + 1]! * HIGH + words[index]!;
}

/** A signed 64-bit field (seconds before 1970 are negative). */
export function readI64(words: Uint32Array, index: number): number {
  return (words[index + 1]! | 0) * HIGH + words[index]!;
}

/** Writes an integer between -2^53 and 2^53 as 64 bits, two's complement. */
export function writeU64(words: Uint32Array, index: number, value: number): void {
  words[index] = value;
  words[index + 1] = Math.floor(value / HIGH);
}

/** Rounds up to whole 8 bytes, as the protocol aligns its records. */
export function align8(bytes: number): number {
  return (bytes + 7) & ~7;
}
