import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { sortByHash, tableOrder } from '../../src/archive/goodbye.js';
import { sipHash24 } from '../../src/native/hash.js';
import { specTableOrder } from '../support/spec-decoder/pxar-table.js';
import { sipHash24 as specSipHash24 } from '../support/spec-decoder/siphash.js';

test('tables are laid out as the vectors of pbs-format §6.4 say', () => {
  const vectors: [number, string][] = [
    [0, ''],
    [1, '0'],
    [2, '1 0'],
    [3, '1 0 2'],
    [4, '2 1 3 0'],
    [5, '3 1 4 0 2'],
    [6, '3 1 5 0 2 4'],
    [7, '3 1 5 0 2 4 6'],
    [8, '4 2 6 1 3 5 7 0'],
    [9, '5 3 7 1 4 6 8 0 2'],
    [10, '6 3 8 1 5 7 9 0 2 4'],
    [17, '9 5 13 3 7 11 15 1 4 6 8 10 12 14 16 0 2'],
  ];
  for (const [count, order] of vectors) {
    assert.equal(tableOrder(count).join(' '), order);
    assert.equal(specTableOrder(count).join(' '), order);
  }
});

test('tables of any length are laid out by the formula of §6.4', () => {
  for (let count = 0; count < 600; count += 1) assert.deepEqual([...tableOrder(count)], specTableOrder(count));
});

test('names have the hashes of pbs-format A.5', () => {
  const vectors: [string, bigint][] = [
    ['a', 0x0c26e9067c2c7bcfn],
    ['b', 0x4d1da3f512e8c733n],
    ['etc', 0xd0c229edbd411e9an],
    ['hello.txt', 0x9b1ee0b84c66190cn],
    ['', 0x76614015f8d1bb6cn],
  ];
  for (const [name, hash] of vectors) {
    assert.equal(sipHash24(Buffer.from(name)), hash);
    assert.equal(specSipHash24(Buffer.from(name)), hash);
  }
  const generic = specSipHash24(Buffer.from([...Array(15).keys()]), 0x0706050403020100n, 0x0f0e0d0c0b0a0908n);
  assert.equal(generic, 0xa129ca6149be45e5n);
});

test('any hashes are sorted as unsigned 64-bit numbers, equal ones and equal beginnings included', () => {
  const word = fc.oneof(fc.nat(3), fc.constantFrom(0xffff_ffff, 0x8000_0000), fc.nat(0xffff_ffff));
  fc.assert(
    fc.property(fc.array(fc.tuple(word, word), { maxLength: 200 }), (hashes) => {
      const high = Uint32Array.from(hashes, ([upper]) => upper);
      const low = Uint32Array.from(hashes, ([, lower]) => lower);
      const order = sortByHash(high, low, hashes.length);
      const value = (i: number): bigint => (BigInt(high[i] as number) << 32n) | BigInt(low[i] as number);
      assert.deepEqual(
        [...order].map(value),
        hashes.map((_, i) => value(i)).sort((a, b) => (a < b ? -1 : Number(a > b))),
      );
      assert.equal(new Set(order).size, hashes.length);
    }),
    { seed: 1 },
  );
});
