import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RoaringBitmap32 } from 'roaring-wasm';
import { ChunkSet, decodeSet, encodeSet, idsOf, setChecksum } from '../../src/catalog/chunk-set.js';
import { Random, seedOfRun } from '../support/random.js';

const HEADER = Buffer.alloc(96, 7);

/** The set that bytes are, whose checksum somebody made fit. */
function decoded(bytes: Uint8Array): number[] | undefined {
  const set = decodeSet(HEADER, bytes, setChecksum(HEADER, bytes));
  if (set === undefined) return undefined;
  const ids = [...idsOf(set)];
  assert.equal(ids.length, set.size);
  set.dispose();
  return ids;
}

function encoded(ids: Iterable<number>): Buffer {
  const set = new ChunkSet(new RoaringBitmap32(ids));
  const bytes = Buffer.from(encodeSet(set));
  set.dispose();
  return bytes;
}

function range(from: number, to: number, step = 1): number[] {
  return Array.from({ length: Math.ceil((to - from) / step) }, (_, i) => from + i * step);
}

/** One set with containers of each kind, alone and together. */
const SETS: readonly (readonly number[])[] = [
  [],
  [0],
  [1, 5, 9, 70_000, 70_005],
  range(3, 60_000),
  range(0, 65_536),
  range(0, 65_536, 2),
  [...range(0, 65_536, 3), ...range(65_536, 140_000), 5_000_000, 4_294_967_295],
  range(0, 10).flatMap((key) => range(key * 65_536, key * 65_536 + 100, key + 1)),
];

test('sets of every form are read back', () => {
  for (const ids of SETS) assert.deepEqual(decoded(encoded(ids)), ids);
});

test('bytes that are no set are not taken as one, though their checksum fits', () => {
  const bytes = encoded([1, 5, 9, 70_000, 70_005]);
  assert.equal(decoded(Buffer.alloc(0)), undefined, 'no bytes are not the empty set');
  assert.equal(decoded(Buffer.concat([bytes, Buffer.from([0])])), undefined, 'bytes behind the set');
  for (let length = 0; length < bytes.length; length += 1) assert.equal(decoded(bytes.subarray(0, length)), undefined);
  const disordered = Buffer.from(bytes);
  disordered.writeUInt16LE(9, bytes.indexOf(Buffer.from([1, 0, 5, 0, 9, 0])));
  assert.equal(decoded(disordered), undefined, 'values out of order');
});

test('whatever bytes are taken as a set, its values rise', (t) => {
  const random = new Random(seedOfRun(t));
  let taken = 0;
  for (let run = 0; run < 3000; run += 1) {
    const bytes = encoded(random.pick(SETS.filter(({ length }) => length < 1000)));
    for (let i = random.below(3); i >= 0; i -= 1) bytes[random.below(bytes.length)] = random.below(256);
    const ids = decoded(bytes);
    if (ids === undefined) continue;
    taken += 1;
    for (let i = 1; i < ids.length; i += 1) assert.ok(ids[i]! > ids[i - 1]!, `run ${run}`);
  }
  assert.ok(taken > 0);
});
