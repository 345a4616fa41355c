import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { digestHex } from '../../src/core/digest.js';
import { kindOf } from '../../src/core/errors.js';
import { checksumFits } from '../../src/index/chunk-index.js';
import { DynamicIndexBuilder, encodeDynamicIndex, parseDynamicIndex } from '../../src/index/dynamic-index.js';
import { encodeFixedIndex, parseFixedIndex } from '../../src/index/fixed-index.js';
import { indexIdentityOf, parseIndex, parseIndexNamed, sameIndexIdentity } from '../../src/index/index-file.js';
import { newIndexStamp } from '../../src/index/index-header.js';
import { decodeIndex } from '../support/spec-decoder/indexes.js';

const A = createHash('sha256').update(Buffer.alloc(65_536, 'a')).digest();
const B = createHash('sha256').update(Buffer.alloc(100, 'b')).digest();
const stamp = { uuid: Buffer.from([...Array(16).keys()]), ctime: 1_700_000_000 };
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('vectors of pbs-format A.3', () => {
  test('fidx', () => {
    const { bytes, checksum } = encodeFixedIndex(stamp, { contentLength: 65_636, chunkBytes: 65_536 }, [A, B]);
    assert.equal(bytes.length, 4160);
    assert.equal(digestHex(checksum), '4787ab9577e5c20f76de9415b876fd462f3d5284df38d431a5a6bbb8f199b96a');
    assert.equal(
      bytes.toString('hex', 0, 80),
      '2f7f41ed91fd0fcd000102030405060708090a0b0c0d0e0f00f15365000000004787ab9577e5c20f76de9415b876fd462f3d5284df38d431a5a6bbb8f199b96a64000100000000000000010000000000',
    );
    assert.equal(sha256(bytes), '0f9b334c7150d964a034cadc65b4b1176960392436f8bcd3b8500306316a67bb');
  });

  test('didx', () => {
    const entries = [
      { end: 65_536, digest: A },
      { end: 65_636, digest: B },
    ];
    const { bytes, checksum } = encodeDynamicIndex(stamp, entries);
    assert.equal(bytes.length, 4176);
    assert.equal(digestHex(checksum), 'bf3d57a4c90eac019ed29eacbe0933e3ac138dae1444415de7b23af6fbe26f81');
    assert.equal(sha256(bytes), '4e5a1d53c2d23a408883e9a5262ca2f381f2ad1ab69f7170d88ee0d6449b2b36');
  });
});

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).filter((bytes) => bytes.some((byte) => byte !== 0));
const chunk = fc.record({
  digest,
  length: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 2 ** 40 })),
});

function built(chunks: readonly { digest: Uint8Array; length: number }[]): Buffer {
  const builder = new DynamicIndexBuilder();
  for (const { digest: name, length } of chunks) builder.append(name, length);
  assert.equal(builder.count, chunks.length);
  return builder.finish(stamp).bytes;
}

test('any dynamic index reads as it was written, by the independent decoder too', () => {
  fc.assert(
    fc.property(fc.array(chunk, { minLength: 1, maxLength: 60 }), fc.nat(2 ** 30), (chunks, seed) => {
      const bytes = built(chunks);
      const index = parseIndex(bytes);
      const spec = decodeIndex(bytes);
      assert.deepEqual([index.kind, index.count, index.ctime], ['dynamic', chunks.length, stamp.ctime]);
      assert.equal(index.contentLength, spec.contentLength);
      assert.ok(checksumFits(index));
      spec.chunks.forEach(({ start, end, digest: hex }, i) => {
        assert.deepEqual([index.start(i), index.end(i)], [start, end]);
        assert.equal(Buffer.from(index.digest(i)).toString('hex'), hex);
        assert.deepEqual(index.digest(i), Buffer.from(chunks[i]?.digest ?? []));
        for (const offset of [start, end - 1]) assert.equal(index.chunkAt(offset), i);
      });
      const offset = seed % index.contentLength;
      const at = index.chunkAt(offset);
      assert.ok(index.start(at) <= offset && offset < index.end(at));
    }),
    { seed: 1 },
  );
});

test('any fixed index reads as it was written, by the independent decoder too', () => {
  const shape = fc.record({ shift: fc.nat(24), whole: fc.nat(40), rest: fc.double({ min: 0, max: 1, noNaN: true }) });
  fc.assert(
    fc.property(shape, fc.array(digest, { minLength: 41, maxLength: 41 }), ({ shift, whole, rest }, digests) => {
      const chunkBytes = 2 ** shift;
      const contentLength = whole * chunkBytes + Math.max(whole === 0 ? 1 : 0, Math.floor(rest * (chunkBytes - 1)));
      const count = Math.ceil(contentLength / chunkBytes);
      const { bytes } = encodeFixedIndex(stamp, { contentLength, chunkBytes }, digests.slice(0, count));
      const index = parseIndex(bytes);
      const spec = decodeIndex(bytes);
      assert.deepEqual([index.kind, index.count, index.contentLength], ['fixed', count, contentLength]);
      assert.ok(checksumFits(index));
      spec.chunks.forEach(({ start, end, digest: hex }, i) => {
        assert.deepEqual([index.start(i), index.end(i)], [start, end]);
        assert.equal(Buffer.from(index.digest(i)).toString('hex'), hex);
        for (const offset of [start, end - 1]) assert.equal(index.chunkAt(offset), i);
      });
    }),
    { seed: 2 },
  );
});

test('an index of many chunks is built block by block', () => {
  const builder = new DynamicIndexBuilder();
  const name = Buffer.alloc(32, 1);
  const count = 50_000;
  for (let i = 0; i < count; i += 1) {
    name.writeUInt32LE(i, 0);
    builder.append(name, i + 1);
  }
  const { bytes, checksum, contentLength } = builder.finish(newIndexStamp(0));
  const index = parseDynamicIndex(bytes);
  assert.deepEqual([index.count, index.contentLength], [count, (count * (count + 1)) / 2]);
  assert.equal(contentLength, index.contentLength);
  assert.deepEqual(index.checksum, checksum);
  assert.ok(checksumFits(index));
  for (const i of [0, 1, 16_383, 16_384, 16_385, 49_999]) {
    assert.equal(Buffer.from(index.digest(i)).readUInt32LE(0), i);
    assert.equal(index.end(i) - index.start(i), i + 1);
  }
});

test("positions and offsets outside are the caller's fault", () => {
  for (const bytes of [
    built([{ digest: A, length: 10 }]),
    encodeFixedIndex(stamp, { contentLength: 10, chunkBytes: 16 }, [A]).bytes,
  ]) {
    const index = parseIndex(bytes);
    for (const position of [-1, 1, 0.5]) {
      assert.throws(() => index.digest(position), RangeError);
      assert.throws(() => index.start(position), RangeError);
      assert.throws(() => index.end(position), RangeError);
    }
    for (const offset of [-1, 10, 0.5]) assert.throws(() => index.chunkAt(offset), RangeError);
  }
});

test('what no index may list cannot be built', () => {
  const invalid = { name: 'CairnError', kind: 'invalid' };
  const builder = new DynamicIndexBuilder();
  for (const length of [0, -1, 0.5, 2 ** 53]) assert.throws(() => builder.append(A, length), invalid);
  assert.throws(() => builder.append(A.subarray(1), 1), invalid);
  assert.throws(() => builder.append(Buffer.alloc(32), 1), invalid);
  assert.throws(() => builder.finish(stamp), invalid);
  assert.throws(
    () =>
      encodeDynamicIndex(stamp, [
        { end: 5, digest: A },
        { end: 5, digest: B },
      ]),
    invalid,
  );
  assert.throws(() => encodeDynamicIndex({ ...stamp, uuid: A }, [{ end: 5, digest: A }]), invalid);
  const fixed = (contentLength: number, chunkBytes: number, digests: Uint8Array[]) => (): unknown =>
    encodeFixedIndex(stamp, { contentLength, chunkBytes }, digests);
  for (const wrong of [
    fixed(0, 16, []),
    fixed(10, 15, [A]),
    fixed(10, 0, [A]),
    fixed(17, 16, [A]),
    fixed(16, 16, [A, B]),
    fixed(16, 16, [Buffer.alloc(32)]),
    fixed(16, 16, [A.subarray(1)]),
  ]) {
    assert.throws(wrong, invalid);
  }
});

describe('malformed files are corrupt', () => {
  const didx = built([
    { digest: A, length: 65_536 },
    { digest: B, length: 100 },
  ]);
  const fidx = encodeFixedIndex(stamp, { contentLength: 65_636, chunkBytes: 65_536 }, [A, B]).bytes;
  const changed = (bytes: Buffer, change: (copy: Buffer) => void): Buffer => {
    const copy = Buffer.from(bytes);
    change(copy);
    return copy;
  };
  const cases: [string, Buffer][] = [
    ['empty', Buffer.alloc(0)],
    ['no entries', didx.subarray(0, 4096)],
    ['no digests', fidx.subarray(0, 4096)],
    ['half an entry', didx.subarray(0, 4100)],
    ['half a digest', fidx.subarray(0, 4100)],
    ['cut header', didx.subarray(0, 4000)],
    ['unknown magic', changed(didx, (copy) => copy.fill(0, 0, 8))],
    ['ends that do not rise', changed(didx, (copy) => copy.writeBigUInt64LE(65_536n, 4136))],
    ['first end 0', changed(didx, (copy) => copy.writeBigUInt64LE(0n, 4096))],
    ['end beyond 2^53', changed(didx, (copy) => copy.writeBigUInt64LE(1n << 53n, 4136))],
    ['zero digest', changed(didx, (copy) => copy.fill(0, 4104, 4136))],
    ['zero digest in fidx', changed(fidx, (copy) => copy.fill(0, 4096, 4128))],
    ['chunk size no power of two', changed(fidx, (copy) => copy.writeBigUInt64LE(65_535n, 72))],
    ['chunk size 0', changed(fidx, (copy) => copy.writeBigUInt64LE(0n, 72))],
    ['content too short', changed(fidx, (copy) => copy.writeBigUInt64LE(65_536n, 64))],
    ['content too long', changed(fidx, (copy) => copy.writeBigUInt64LE(131_073n, 64))],
    ['content 0', changed(fidx, (copy) => copy.writeBigUInt64LE(0n, 64))],
  ];
  for (const [what, bytes] of cases) {
    test(what, () => assert.throws(() => parseIndex(bytes), { name: 'CairnError', kind: 'corrupt' }));
  }

  test('a wrong checksum is told, not thrown', () => {
    assert.ok(!checksumFits(parseIndex(changed(didx, (copy) => copy.fill(7, 32, 33)))));
    assert.ok(!checksumFits(parseIndex(changed(fidx, (copy) => copy.fill(7, 4100, 4101)))));
  });

  test('names and formats must agree', () => {
    assert.equal(parseIndexNamed('root.mpxar.didx', didx).count, 2);
    assert.equal(parseIndexNamed('drive.img.fidx', fidx).count, 2);
    assert.throws(() => parseIndexNamed('x.fidx', didx), { kind: 'corrupt', message: /^x\.fidx: / });
    assert.throws(() => parseIndexNamed('x.blob', didx), { kind: 'invalid' });
    assert.throws(() => parseFixedIndex(didx), { kind: 'corrupt' });
  });

  test('random bytes and random changes give an index or corrupt, nothing else', () => {
    const change = fc.tuple(fc.nat(), fc.nat(255));
    const property = fc.property(
      fc.constantFrom(didx, fidx),
      fc.array(change, { maxLength: 8 }),
      fc.nat(80),
      (from, changes, cut) => {
        const copy = Buffer.from(from);
        for (const [at, value] of changes) copy[at % copy.length] = value;
        const bytes = cut < 40 ? copy : copy.subarray(0, copy.length - cut);
        try {
          const index = parseIndex(bytes);
          assert.equal(index.end(index.count - 1), index.contentLength);
        } catch (error) {
          assert.equal(kindOf(error), 'corrupt', String(error));
        }
      },
    );
    fc.assert(property, { seed: 3, numRuns: 1000 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.constantFrom(didx, fidx), (random, head) => {
        const bytes = Buffer.concat([head.subarray(0, 8), random, Buffer.alloc(4096)]);
        assert.throws(() => parseIndex(random), { kind: 'corrupt' });
        assert.throws(() => parseIndex(bytes), { kind: 'corrupt' });
      }),
      { seed: 4 },
    );
  });
});

test('an index is known by its first 96 bytes and its length', () => {
  const one = built([{ digest: A, length: 10 }]);
  const two = built([
    { digest: A, length: 10 },
    { digest: A, length: 10 },
  ]);
  const identity = indexIdentityOf(one);
  assert.deepEqual([identity.header.length, identity.fileBytes], [96, 4136]);
  assert.ok(sameIndexIdentity(identity, indexIdentityOf(Buffer.from(one))));
  assert.ok(!sameIndexIdentity(identity, indexIdentityOf(two)));
  const other = Buffer.from(one);
  other[10] = 99;
  assert.ok(!sameIndexIdentity(identity, indexIdentityOf(other)));
});
