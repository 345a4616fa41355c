import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { digestHex } from '../../src/core/digest.js';
import { type Cut, type Cutter, scanChunks, scanChunksSync } from '../../src/native/chunker.js';
import { Draft } from '../../src/native/draft.js';

const SMALL = { kind: 'dynamic', minBytes: 64, averageBytes: 256, maxBytes: 1024 } as const;
const U64 = (1n << 64n) - 1n;

const GEAR = Array.from({ length: 256 }, (_, byte) =>
  createHash('sha256').update(`cairn gear ${byte}`).digest().readBigUInt64LE(0),
);

/** FastCDC byte by byte, from the words of native/chunker.h. */
function plainCuts(bytes: Uint8Array, cutter: typeof SMALL): number[] {
  const bits = Math.floor(Math.log2(cutter.averageBytes));
  const maskOf = (ones: number) => ((1n << BigInt(ones)) - 1n) << BigInt(63 - ones);
  const lengths: number[] = [];
  let length = 0;
  let hash = 0n;
  for (const byte of bytes) {
    length++;
    let cut = length === cutter.maxBytes;
    if (length > cutter.minBytes) {
      hash = ((hash << 1n) + (GEAR[byte] as bigint)) & U64;
      cut ||= (hash & maskOf(length <= cutter.averageBytes ? bits + 2 : bits - 2)) === 0n;
    }
    if (cut) {
      lengths.push(length);
      length = 0;
      hash = 0n;
    }
  }
  return lengths;
}

function lengthsOf(cuts: readonly Cut[]): number[] {
  return cuts.map((cut) => cut.length);
}

function sum(lengths: readonly number[]): number {
  return lengths.reduce((total, length) => total + length, 0);
}

/** The generator of pbs-format A.4: bytes that are the same everywhere. */
function knownBytes(count: number): Buffer {
  const bytes = Buffer.alloc(count);
  let state = 1;
  for (let at = 0; at < count; at++) {
    state = (Math.imul(1103515245, state) + 12345) & 0x7fffffff;
    bytes[at] = state >> 16;
  }
  return bytes;
}

function assertDigests(bytes: Uint8Array, cuts: readonly Cut[]): void {
  let start = 0;
  for (const cut of cuts) {
    const hex = createHash('sha256')
      .update(bytes.subarray(start, start + cut.length))
      .digest('hex');
    assert.equal(digestHex(cut.digest), hex);
    start += cut.length;
  }
}

const contents = fc.oneof(
  fc.uint8Array({ maxLength: 8000, size: 'max' }),
  fc.nat(20_000).map((length) => Buffer.alloc(length, 'some text that comes again and again ')),
  fc.nat(20_000).map((length) => randomBytes(length)),
);

test('cuts are those of the plain algorithm', () => {
  fc.assert(
    fc.property(contents, (bytes) => {
      const cuts = scanChunksSync(bytes, SMALL, false);
      assert.deepEqual(lengthsOf(cuts), plainCuts(bytes, SMALL));
      assertDigests(bytes, cuts);
    }),
  );
});

test('cuts never change between versions', () => {
  const bytes = knownBytes(1 << 20);
  const cutter = { kind: 'dynamic', minBytes: 4096, averageBytes: 16_384, maxBytes: 65_536 } as const;
  const lengths = lengthsOf(scanChunksSync(bytes, cutter, true));
  assert.equal(
    createHash('sha256').update(lengths.join(' ')).digest('hex'),
    '4e7a7a3de6b2575957f1f03c9dbdaa751616a8bbf1c833ab831b9200718972a5',
    `${lengths.length} chunks: ${lengths.slice(0, 8).join(' ')} …`,
  );
});

test('final adds the rest as a chunk, and nothing where there is no rest', () => {
  fc.assert(
    fc.property(contents, (bytes) => {
      const open = scanChunksSync(bytes, SMALL, false);
      const closed = scanChunksSync(bytes, SMALL, true);
      const rest = bytes.length - sum(lengthsOf(open));
      assert.deepEqual(lengthsOf(closed), rest > 0 ? [...lengthsOf(open), rest] : lengthsOf(open));
      assertDigests(bytes, closed);
    }),
  );
});

test('bytes that come in pieces, the rest carried over, are cut as the whole is', async () => {
  await fc.assert(
    fc.asyncProperty(contents, fc.array(fc.nat(3000), { maxLength: 20 }), async (bytes, sizes) => {
      const found: Cut[] = [];
      let carried = Buffer.alloc(0);
      let at = 0;
      for (const size of [...sizes, bytes.length]) {
        const final = at + size >= bytes.length;
        carried = Buffer.concat([carried, bytes.subarray(at, at + size)]);
        at = Math.min(at + size, bytes.length);
        const cuts = await scanChunks(carried, SMALL, final);
        found.push(...cuts);
        carried = carried.subarray(sum(lengthsOf(cuts)));
        if (final) break;
      }
      assert.deepEqual(found, scanChunksSync(bytes, SMALL, true));
    }),
  );
});

test('a draft is cut as its bytes are', async () => {
  await fc.assert(
    fc.asyncProperty(
      contents,
      fc.array(fc.nat(6000), { maxLength: 8 }),
      fc.nat(300_000),
      async (bytes, sizes, base) => {
        const draft = new Draft();
        let at = 0;
        for (const size of [...sizes, bytes.length]) {
          draft.write(base + at, bytes.subarray(at, at + size));
          at = Math.min(at + size, bytes.length);
        }
        for (const final of [false, true]) {
          const cuts = await draft.cut(base, base + bytes.length, SMALL, final);
          assert.deepEqual(cuts, scanChunksSync(bytes, SMALL, final));
        }
        draft.dispose();
      },
    ),
  );
});

test('fixed cuts are all of one size, the last what is left', () => {
  const cutter: Cutter = { kind: 'fixed', chunkBytes: 1000 };
  const bytes = randomBytes(3500);
  assert.deepEqual(lengthsOf(scanChunksSync(bytes, cutter, false)), [1000, 1000, 1000]);
  assert.deepEqual(lengthsOf(scanChunksSync(bytes, cutter, true)), [1000, 1000, 1000, 500]);
  assert.deepEqual(lengthsOf(scanChunksSync(bytes.subarray(0, 2000), cutter, true)), [1000, 1000]);
  assertDigests(bytes, scanChunksSync(bytes, cutter, true));
  assert.deepEqual(scanChunksSync(Buffer.alloc(0), cutter, true), []);
});

test('chunks are about as large as asked for, and runs of one byte as large as allowed', () => {
  const cutter = { kind: 'dynamic', minBytes: 4096, averageBytes: 16_384, maxBytes: 65_536 } as const;
  const bytes = knownBytes(8 << 20);
  const lengths = lengthsOf(scanChunksSync(bytes, cutter, true));
  const mean = sum(lengths) / lengths.length;
  assert.ok(mean > 0.8 * cutter.averageBytes && mean < 1.4 * cutter.averageBytes, `mean ${mean}`);
  assert.ok(lengths.slice(0, -1).every((length) => length >= cutter.minBytes && length <= cutter.maxBytes));
  const zeros = lengthsOf(scanChunksSync(Buffer.alloc(10 * cutter.maxBytes), cutter, true));
  assert.deepEqual(new Set(zeros), new Set([cutter.maxBytes]));
});

test('an inserted byte changes few chunks', () => {
  const cutter = { kind: 'dynamic', minBytes: 1024, averageBytes: 4096, maxBytes: 16_384 } as const;
  const bytes = knownBytes(1 << 20);
  const shifted = Buffer.concat([bytes.subarray(0, 5000), Buffer.of(1), bytes.subarray(5000)]);
  const before = new Set(scanChunksSync(bytes, cutter, true).map((cut) => digestHex(cut.digest)));
  const after = scanChunksSync(shifted, cutter, true).map((cut) => digestHex(cut.digest));
  const fresh = after.filter((digest) => !before.has(digest)).length;
  assert.ok(fresh > 0 && fresh < 12, `${fresh} of ${after.length} chunks are new`);
});

test('sizes out of order are refused', async () => {
  const bytes = Buffer.alloc(10);
  const wrong = (change: object) => ({ ...SMALL, ...change });
  for (const change of [{ minBytes: 63 }, { averageBytes: 63 }, { maxBytes: 255 }, { maxBytes: 1000.5 }]) {
    assert.throws(() => scanChunksSync(bytes, wrong(change), true), RangeError);
  }
  assert.throws(() => scanChunksSync(bytes, { kind: 'fixed', chunkBytes: 0 }, true), RangeError);
  await assert.rejects(scanChunks('x' as unknown as Uint8Array, SMALL, true), TypeError);
});
