import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { MAX_CHUNK_BYTES } from '../../src/chunk/limits.js';
import {
  allZeroChunkLengths,
  zeroChunkDigest,
  zeroChunkLength,
  zeroChunkLengthsOf,
} from '../../src/chunk/zero-chunks.js';
import { digestHex } from '../../src/core/digest.js';
import { CairnError } from '../../src/core/errors.js';

const MIB = 1024 * 1024;

test('a zero chunk is called by the SHA-256 of its zeros', () => {
  // pbs-format §2.2
  const fourMib = 'bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8';
  assert.equal(digestHex(zeroChunkDigest(4 * MIB)), fourMib);
  for (const length of allZeroChunkLengths()) {
    const wanted = createHash('sha256').update(Buffer.alloc(length)).digest('hex');
    assert.equal(digestHex(zeroChunkDigest(length)), wanted);
  }
});

test('there are zero chunks of the powers of two from 1 byte to 16 MiB only', () => {
  for (const length of [0, 3, -1, 0.5, 2 * MAX_CHUNK_BYTES, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(
      () => zeroChunkDigest(length),
      (error) => error instanceof CairnError && error.kind === 'invalid',
      `${length}`,
    );
  }
  assert.equal([...allZeroChunkLengths()].length, 25);
});

test('a digest tells whether it is that of zeros, and of how many', () => {
  for (const length of allZeroChunkLengths()) assert.equal(zeroChunkLength(zeroChunkDigest(length)), length);
  assert.equal(zeroChunkLength(Buffer.alloc(32)), undefined);
});

test('a hole is the fewest zero chunks, longest first', () => {
  assert.deepEqual([...zeroChunkLengthsOf(0)], []);
  assert.deepEqual([...zeroChunkLengthsOf(35 * MIB)], [16 * MIB, 16 * MIB, 2 * MIB, MIB]);
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 31 }), (bytes) => {
      const lengths = [...zeroChunkLengthsOf(bytes)];
      assert.equal(
        lengths.reduce((sum, length) => sum + length, 0),
        bytes,
      );
      const rest = lengths.filter((length) => length < MAX_CHUNK_BYTES);
      assert.deepEqual(
        rest,
        [...new Set(rest)].sort((a, b) => b - a),
      );
    }),
  );
});
