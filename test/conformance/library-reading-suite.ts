import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKind } from '../support/kinds.js';
import { bytesOf, emptyLibrary, type LibraryKind } from '../support/libraries.js';
import { noise } from '../support/noise.js';

const MIB = 1024 * 1024;
const TEXT = Buffer.from('a line that repeats, so that it compresses well\n'.repeat(40_000));

/** Objects are read and compressed, whichever index the library has. */
export function libraryReadingSuite(kind: LibraryKind): void {
  rangesTests(kind);
  compressionTests(kind);
}

function rangesTests(kind: LibraryKind): void {
  test(`${kind}: any range of an object is what its content has there, compressed or not`, async (t) => {
    const library = await emptyLibrary(t, kind);
    const content = Buffer.concat([noise('start', 3 * MIB), TEXT, noise('end', 2 * MIB)]);
    for (const compression of ['none', 'zstd'] as const) {
      await library.putObject('x', content, { compression });
      for (const [offset, length] of [
        ...[
          [0, 1],
          [0, content.length],
          [content.length - 1, 1],
          [content.length, 5],
          [2 ** 52, 1],
          [5, 0],
        ],
        ...[
          [3 * MIB - 1, 2],
          [1_000_000, 3_000_000],
          [content.length - 5, 100],
        ],
      ] as const) {
        const stream = await library.getObjectRange('x', offset, length);
        assert.deepEqual(await bytesOf(stream), content.subarray(offset, offset + length), `${offset}, ${length}`);
      }
    }
    for (const [offset, length] of [
      [-1, 1],
      [0, -1],
      [0.5, 1],
      [0, Number.NaN],
    ] as const) {
      await assert.rejects(library.getObjectRange('x', offset, length), isKind('invalid'));
    }
    await library.putObject('empty', Buffer.alloc(0));
    assert.equal((await bytesOf(await library.getObjectRange('empty', 0, 10))).length, 0);
  });
}

function compressionTests(kind: LibraryKind): void {
  test(`${kind}: chunks are compressed where that makes them smaller`, async (t) => {
    const library = await emptyLibrary(t, kind);
    const plain = await library.putObject('plain', TEXT, { compression: 'none' });
    assert.deepEqual([plain.compression, plain.newBytes > TEXT.length], ['none', true]);
    await library.deleteObject('plain');
    await library.collectGarbage({ graceSeconds: 0 });
    const packed = await library.putObject('packed', TEXT, { compression: { algorithm: 'zstd', level: 3 } });
    assert.deepEqual([packed.compression, packed.newBytes < TEXT.length / 10], ['zstd:3', true]);
    const before = library.getIndexStats().compression;
    const random = await library.putObject('random', noise('random', MIB), { compression: 'zstd' });
    assert.ok(random.newBytes <= MIB + 12 * random.newChunks, 'what does not get smaller is stored as it is');
    const { compression } = library.getIndexStats();
    assert.equal(compression.skipped - before.skipped, random.newChunks);
    assert.equal(compression.bytesIn - before.bytesIn, MIB);
    assert.equal(compression.bytesOut - before.bytesOut, random.newBytes);
  });

  test(`${kind}: content is found again whatever it was compressed with`, async (t) => {
    const library = await emptyLibrary(t, kind);
    await library.putObject('a', TEXT, { compression: 'none' });
    const again = await library.putObject('b', TEXT, { compression: { algorithm: 'zstd', level: 19 } });
    assert.deepEqual([again.newChunks, again.newBytes], [0, 0]);
    assert.deepEqual(await bytesOf(await library.getObjectData('b')), TEXT);
    assert.ok(library.getIndexStats().operations.deduplicate >= again.chunks);
  });

  test(`${kind}: algorithms and levels that chunks cannot have are refused`, async (t) => {
    const library = await emptyLibrary(t, kind);
    const { chunks } = library.getIndexStats();
    const put = (compression: unknown) => library.putObject('x', TEXT, { compression: compression as 'none' });
    for (const algorithm of ['lz4', 's2', 'snappy']) {
      await assert.rejects(put(algorithm), isKind('unsupported', /whose format has zstd alone/));
      await assert.rejects(put({ algorithm }), isKind('unsupported'));
    }
    await assert.rejects(put('gzip'), isKind('unsupported', /there are "none" and "zstd"/));
    for (const level of [0, 23, -51, 1.5]) await assert.rejects(put({ algorithm: 'zstd', level }), isKind('invalid'));
    const metadata = { long: 'x'.repeat(8200) };
    await assert.rejects(library.putObject('x', TEXT, { metadata }), isKind('invalid', /metadata/));
    assert.equal(library.getIndexStats().chunks, chunks);
  });
}
