import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  crc64,
  crc64Sync,
  type ErasureShard,
  encodeObject,
  rebuildShards,
  type ShardCounts,
} from '../../src/native/erasure.js';
import { Random, seedOfRun } from '../support/random.js';

const SCHEMES: readonly ShardCounts[] = [
  { data: 4, parity: 2 },
  { data: 6, parity: 3 },
  { data: 8, parity: 4 },
  { data: 10, parity: 4 },
  { data: 1, parity: 2 },
  { data: 1, parity: 254 },
  { data: 250, parity: 5 },
  { data: 3, parity: 7 },
];

/** Product in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1, bit by bit. */
function product(a: number, b: number): number {
  let sum = 0;
  for (let bit = 0; bit < 8; bit++) {
    if ((b >> bit) & 1) sum ^= a << bit;
  }
  for (let bit = 14; bit >= 8; bit--) if ((sum >> bit) & 1) sum ^= 0x11d << (bit - 8);
  return sum;
}

function inverse(a: number): number {
  for (let b = 1; b < 256; b++) if (product(a, b) === 1) return b;
  throw new Error('zero has no inverse');
}

/** Parity by its definition: row r, column c of the matrix is 1 / (r xor c). */
function parityByDefinition({ data, parity }: ShardCounts, object: Uint8Array, shardBytes: number): Buffer {
  const out = Buffer.alloc(parity * shardBytes);
  for (let row = 0; row < parity; row++) {
    for (let column = 0; column < data; column++) {
      const coefficient = inverse((data + row) ^ column);
      for (let at = 0; at < shardBytes; at++) {
        const position = row * shardBytes + at;
        out[position] = (out[position] ?? 0) ^ product(coefficient, object[column * shardBytes + at] ?? 0);
      }
    }
  }
  return out;
}

function shardsOf({ data }: ShardCounts, object: Uint8Array, parity: Uint8Array, shardBytes: number): ErasureShard[] {
  const whole = Buffer.alloc(data * shardBytes);
  whole.set(object);
  const all = Buffer.concat([whole, parity]);
  return Array.from({ length: all.length / shardBytes }, (_, index) => ({
    index,
    bytes: all.subarray(index * shardBytes, (index + 1) * shardBytes),
  }));
}

/** In any order (Fisher and Yates). */
function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const mixed = [...items];
  for (let last = mixed.length - 1; last > 0; last--) {
    const [item] = mixed.splice(random.below(last + 1), 1);
    mixed.push(item as T);
  }
  return mixed;
}

async function parityOf(counts: ShardCounts, object: Uint8Array, shardBytes: number): Promise<Buffer> {
  const parity = Buffer.alloc(counts.parity * shardBytes, 0xff);
  await encodeObject(counts, object, shardBytes, parity);
  return parity;
}

test('parity is what the definition says', async () => {
  for (const counts of SCHEMES) {
    for (const length of [0, 1, counts.data, 700]) {
      const object = new Random(length).bytes(length);
      const shardBytes = Math.max(1, Math.ceil(length / counts.data));
      const parity = await parityOf(counts, object, shardBytes);
      assert.ok(
        parity.equals(parityByDefinition(counts, object, shardBytes)),
        `${counts.data}+${counts.parity}, ${length}`,
      );
    }
  }
});

test('any shards that are enough give back those that are lost', async (t) => {
  const random = new Random(seedOfRun(t));
  for (let run = 0; run < 60; run++) {
    const counts = random.pick(SCHEMES);
    const object = random.bytes(random.below(200_000));
    const shardBytes = Math.max(1, Math.ceil(object.length / counts.data));
    const all = shardsOf(counts, object, await parityOf(counts, object, shardBytes), shardBytes);
    const mixed = shuffled(random, all);
    const left = mixed.slice(0, counts.data);
    const lost = mixed.slice(counts.data);
    const rebuilt = await rebuildShards(
      counts,
      left,
      lost.map(({ index }) => index),
    );
    for (const [i, { index, bytes }] of lost.entries()) {
      assert.ok(rebuilt[i]?.equals(bytes), `shard ${index} of ${counts.data}+${counts.parity}`);
    }
  }
});

test('the checksums are those of the object and of each shard, filled up with zeros', async () => {
  for (const counts of SCHEMES) {
    for (const length of [0, 1, counts.data, 700, 40_000]) {
      const object = new Random(length).bytes(length);
      const shardBytes = Math.max(1, Math.ceil(length / counts.data));
      const parity = Buffer.alloc(counts.parity * shardBytes);
      const sums = await encodeObject(counts, object, shardBytes, parity);
      const shards = shardsOf(counts, object, parity, shardBytes).map(({ bytes }) => crc64Sync(bytes));
      assert.deepEqual(sums, { object: crc64Sync(object), shards }, `${counts.data}+${counts.parity}, ${length}`);
    }
  }
});

test('what cannot be computed is refused', async () => {
  const counts = { data: 2, parity: 1 };
  const shard = (index: number, length = 4): ErasureShard => ({ index, bytes: new Uint8Array(length) });
  await assert.rejects(encodeObject({ data: 0, parity: 1 }, new Uint8Array(1), 1, new Uint8Array(1)), RangeError);
  await assert.rejects(encodeObject({ data: 200, parity: 56 }, new Uint8Array(1), 1, new Uint8Array(56)), RangeError);
  await assert.rejects(encodeObject(counts, new Uint8Array(9), 4, new Uint8Array(4)), /at most 8 bytes, not 9/);
  await assert.rejects(encodeObject(counts, new Uint8Array(8), 4, new Uint8Array(5)), /must have 4 bytes, not 5/);
  await assert.rejects(rebuildShards(counts, [shard(0)], [1]), /exactly 2 shards/);
  await assert.rejects(rebuildShards(counts, [shard(0), shard(0)], [1]), /given twice/);
  await assert.rejects(rebuildShards(counts, [shard(0), shard(1, 5)], [2]), /one length/);
  await assert.rejects(rebuildShards(counts, [shard(0), shard(1)], [1]), /left and lost/);
  await assert.rejects(rebuildShards(counts, [shard(0), shard(1)], [3]), RangeError);
});

test('the checksum is CRC-64/XZ', async () => {
  const digits = Buffer.from('123456789');
  assert.equal(crc64Sync(digits), 0x995dc9bbdf1939fan);
  assert.deepEqual(await crc64([digits, new Uint8Array(0)]), [0x995dc9bbdf1939fan, 0n]);
});
