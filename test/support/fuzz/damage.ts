import type { Random } from '../random.js';

/** Numbers at the edges of what fields hold: where sums overflow, signs turn and doubles stop being exact. */
const EDGES: readonly bigint[] = [
  ...[0n, 1n, 2n, 7n, 8n, 15n, 16n, 17n, 23n, 24n, 39n, 40n, 41n, 255n, 256n, 4095n, 4096n, 4097n, 65_535n, 65_536n],
  ...[2n ** 20n, 2n ** 24n, 2n ** 30n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 40n, 2n ** 52n],
  ...[2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 62n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 16n, 2n ** 64n - 1n],
];

/** A number at an edge, or near one. */
export function edge(random: Random): bigint {
  return BigInt.asUintN(64, random.pick(EDGES) + BigInt(random.below(3) - 1));
}

type Change = (random: Random, bytes: Buffer) => Buffer;

/** Somewhere in the bytes, so that `width` of them follow. */
function place(random: Random, bytes: Buffer, width: number): number {
  return random.below(Math.max(1, bytes.length - width + 1));
}

function flipBit(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length);
  bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
  return bytes;
}

function setByte(random: Random, bytes: Buffer): Buffer {
  bytes[random.below(bytes.length)] = random.pick([0, 1, 0x2e, 0x2f, 0x7f, 0x80, 0xff, random.below(256)]);
  return bytes;
}

function setWord(random: Random, bytes: Buffer): Buffer {
  if (bytes.length >= 4) bytes.writeUInt32LE(Number(BigInt.asUintN(32, edge(random))), place(random, bytes, 4));
  return bytes;
}

function setLong(random: Random, bytes: Buffer): Buffer {
  if (bytes.length >= 8) bytes.writeBigUInt64LE(edge(random), place(random, bytes, 8));
  return bytes;
}

function setDouble(random: Random, bytes: Buffer): Buffer {
  const value = random.pick([0, -0, -1, 0.5, 1.5, -(2 ** 53), 2 ** 53, 1e300, -1e300, 5e-324, Number(edge(random))]);
  if (bytes.length >= 8) bytes.writeDoubleLE(value, place(random, bytes, 8));
  return bytes;
}

/** A field a few more or a few less than it was: what a length check just misses. */
function nudge(random: Random, bytes: Buffer): Buffer {
  if (bytes.length < 4) return bytes;
  const at = place(random, bytes, 4);
  bytes.writeUInt32LE((bytes.readUInt32LE(at) + random.between(-9, 9)) >>> 0, at);
  return bytes;
}

function cutOff(random: Random, bytes: Buffer): Buffer {
  return bytes.subarray(0, random.below(bytes.length + 1));
}

function cutOut(random: Random, bytes: Buffer): Buffer {
  const start = random.below(bytes.length);
  const end = Math.min(bytes.length, start + random.between(1, 40));
  return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
}

function putIn(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, at), random.bytes(random.between(1, 40)), bytes.subarray(at)]);
}

/** A stretch of the bytes over another one: structures that are right in themselves, where they do not belong. */
function transplant(random: Random, bytes: Buffer): Buffer {
  const length = Math.min(bytes.length, random.between(1, 64));
  const from = place(random, bytes, length);
  bytes.copy(bytes, place(random, bytes, length), from, from + length);
  return bytes;
}

function overwrite(random: Random, bytes: Buffer): Buffer {
  const length = Math.min(bytes.length, random.between(1, 16));
  random.bytes(length).copy(bytes, place(random, bytes, length));
  return bytes;
}

/** Changes that keep the length. */
const IN_PLACE: readonly Change[] = [flipBit, setByte, setWord, setLong, setDouble, nudge, transplant, overwrite];
const RESIZING: readonly Change[] = [cutOff, cutOut, putIn];

/** A copy of the bytes with one to four changes that keep their length. */
export function damagedInPlace(random: Random, bytes: Uint8Array): Buffer {
  return changed(random, bytes, IN_PLACE);
}

/** A copy of the bytes with one to four changes of any kind. */
export function damaged(random: Random, bytes: Uint8Array): Buffer {
  return changed(random, bytes, random.below(3) === 0 ? [...IN_PLACE, ...RESIZING] : IN_PLACE);
}

function changed(random: Random, bytes: Uint8Array, changes: readonly Change[]): Buffer {
  let result = Buffer.from(bytes);
  for (let left = random.between(1, 4); left > 0 && result.length > 0; left -= 1) {
    result = random.pick(changes)(random, result) as Buffer<ArrayBuffer>;
  }
  return result;
}
