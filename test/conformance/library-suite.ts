import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type { Library } from '../../src/library/api.js';
import { isKind } from '../support/kinds.js';
import { allOf, bytesOf, emptyLibrary, type LibraryKind } from '../support/libraries.js';
import { noise } from '../support/noise.js';

const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');
const TEXT = Buffer.from('a line that repeats, so that it compresses well\n'.repeat(40_000));

async function chunkIds(library: Library): Promise<string[]> {
  const ids: string[] = [];
  await library.iterateChunks(({ id }) => void ids.push(id));
  return ids;
}

/** What a store has beyond the standing chunks of a datastore. */
function counted(library: Library): () => Promise<{ chunks: number; bytes: number; ids: string[] }> {
  const before = library.getIndexStats();
  const standing = chunkIds(library);
  return async () => {
    const { chunks, bytes } = library.getIndexStats();
    const known = new Set(await standing);
    const ids = (await chunkIds(library)).filter((id) => !known.has(id));
    return { chunks: chunks - before.chunks, bytes: bytes - before.bytes, ids };
  };
}

/** What every library does, whichever index it has. */
export function librarySuite(kind: LibraryKind): void {
  objectTests(kind);
  rangeTests(kind);
  compressionTests(kind);
  chunkTests(kind);
  collectionTests(kind);
  interruptionTests(kind);
}

function objectTests(kind: LibraryKind): void {
  test(`${kind}: a small, a large and an empty object come back as they were put`, async (t) => {
    const library = await emptyLibrary(t, kind);
    for (const [id, content] of [
      ['small', Buffer.from('hello')],
      ['large', noise('large', 10 * MIB + 77)],
      ['empty', Buffer.alloc(0)],
    ] as const) {
      const put = await library.putObject(id, content, { metadata: { colour: 'blue' } });
      assert.equal(put.size, content.length);
      assert.equal(put.etag, md5(content));
      assert.equal(put.sha256, sha256(content));
      const { newBytes: _bytes, newChunks, ...shown } = put;
      assert.deepEqual(await library.getObject(id), shown);
      assert.equal(newChunks, put.chunks);
      assert.deepEqual(shown.metadata, { colour: 'blue' });
      assert.deepEqual(await bytesOf(await library.getObjectData(id)), content);
    }
    assert.equal((await library.getObject('empty')).chunks, 0);
  });

  test(`${kind}: content comes from streams, iterables and arrays alike`, async (t) => {
    const library = await emptyLibrary(t, kind);
    const content = noise('sources', 3 * MIB);
    const pieces = [content.subarray(0, 1), content.subarray(1, 2 * MIB), content.subarray(2 * MIB)];
    async function* later(): AsyncGenerator<Uint8Array> {
      yield* pieces;
    }
    for (const source of [content, pieces, later(), Readable.from(pieces), new Blob([content]).stream()]) {
      const { sha256: found } = await library.putObject('x', source);
      assert.equal(found, sha256(content));
      assert.deepEqual(await bytesOf(await library.getObjectData('x')), content);
    }
    await assert.rejects(library.putObject('x', 'text' as unknown as Uint8Array), isKind('invalid'));
    await assert.rejects(library.putObject('x', [1, 2] as unknown as Uint8Array[]), isKind('invalid'));
    assert.equal((await library.getObject('x')).sha256, sha256(content));
  });

  test(`${kind}: what is not there is not found, and neither is what was deleted`, async (t) => {
    const library = await emptyLibrary(t, kind);
    await library.putObject('here', Buffer.from('x'));
    const gone = [
      () => library.getObject('gone'),
      () => library.getObjectData('gone'),
      () => library.getObjectRange('gone', 0, 1),
      () => library.deleteObject('gone'),
    ];
    for (const ask of gone) await assert.rejects(ask, isKind('not-found', /There is no object "gone"/));
    await library.putObject('gone', Buffer.from('y'));
    assert.deepEqual([library.getIndexStats().objects, library.getIndexStats().objectBytes], [2, 2]);
    await library.deleteObject('gone');
    for (const ask of gone) await assert.rejects(ask, isKind('not-found', /"gone" was deleted at/));
    assert.deepEqual(
      (await allOf(library.listObjects())).map(({ id }) => id),
      ['here'],
    );
    assert.equal(library.getIndexStats().objects, 1);
    await library.putObject('gone', Buffer.from('back'));
    assert.equal((await bytesOf(await library.getObjectData('gone'))).toString(), 'back');
  });

  test(`${kind}: an id is any text of up to 200 bytes`, async (t) => {
    const library = await emptyLibrary(t, kind);
    const ids = [
      ...['.', '..', '.hidden', '../../etc/passwd', '/', 'a/b', 'a+b', 'a%2Fb', 'ü/ö', '\n', 'a\0b', ' '],
      ...['x'.repeat(200), '/'.repeat(200), '日'.repeat(66), 'a.object', 'a.0123456789abcdef.didx', 'A', 'a'],
    ];
    for (const id of ids) await library.putObject(id, Buffer.from(`content of ${id}`));
    for (const id of ids) {
      assert.equal((await bytesOf(await library.getObjectData(id))).toString(), `content of ${id}`);
    }
    const sorted = [...ids].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    assert.deepEqual(
      (await allOf(library.listObjects())).map(({ id }) => id),
      sorted,
    );
    for (const bad of ['', 'x'.repeat(201), '日'.repeat(67), '\ud800']) {
      await assert.rejects(library.putObject(bad, Buffer.from('x')), isKind('invalid'));
      await assert.rejects(library.getObject(bad), isKind('invalid'));
    }
  });

  test(`${kind}: objects are listed by prefix and from an id on`, async (t) => {
    const library = await emptyLibrary(t, kind);
    const ids = ['a', 'b/1', 'b/2', 'b/3', 'c'];
    for (const id of ids) await library.putObject(id, Buffer.from(id));
    const listed = async (options: object) => (await allOf(library.listObjects(options))).map(({ id }) => id);
    assert.deepEqual(await listed({ prefix: 'b/' }), ['b/1', 'b/2', 'b/3']);
    assert.deepEqual(await listed({ after: 'b/1' }), ['b/2', 'b/3', 'c']);
    assert.deepEqual(await listed({ prefix: 'b/', after: 'b/2' }), ['b/3']);
    assert.deepEqual(await listed({ prefix: 'b/', after: 'a' }), ['b/1', 'b/2', 'b/3']);
    assert.deepEqual(await listed({ prefix: 'd' }), []);
  });

  test(`${kind}: an object that is put again is replaced as a whole`, async (t) => {
    const library = await emptyLibrary(t, kind);
    const [one, two] = [noise('one', 2 * MIB), noise('two', 3 * MIB)];
    await library.putObject('x', one);
    const old = await library.getObjectData('x');
    const [first] = await Promise.all([old[Symbol.asyncIterator]().next(), library.putObject('x', two)]);
    assert.ok(first.done === false);
    old.destroy();
    assert.deepEqual(await bytesOf(await library.getObjectData('x')), two);
    const { objects, objectBytes } = library.getIndexStats();
    assert.deepEqual([objects, objectBytes], [1, two.length]);
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield one;
      throw new Error('the source broke');
    }
    await assert.rejects(library.putObject('x', broken()), /the source broke/);
    assert.deepEqual(await bytesOf(await library.getObjectData('x')), two);
  });

  test(`${kind}: twenty puts at once all arrive, and equal content is stored once`, async (t) => {
    const library = await emptyLibrary(t, kind);
    const count = counted(library);
    const contents = Array.from({ length: 20 }, (_, at) => noise(`content ${at % 10}`, 400_000));
    const levels = ['none', 'zstd'] as const;
    await Promise.all(
      contents.map((content, at) =>
        library.putObject(`object ${at}`, Readable.from([content]), { compression: levels[at % 2] }),
      ),
    );
    for (const [at, content] of contents.entries()) {
      assert.deepEqual(await bytesOf(await library.getObjectData(`object ${at}`)), content);
    }
    const { chunks, bytes, ids } = await count();
    const { objects, objectBytes } = library.getIndexStats();
    assert.deepEqual([objects, objectBytes, bytes, chunks], [20, 8_000_000, 4_000_000, ids.length]);
    await Promise.all(contents.map((content) => library.putObject('one id', content)));
    assert.equal((await library.getObject('one id')).size, 400_000);
  });
}

function rangeTests(kind: LibraryKind): void {
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

function chunkTests(kind: LibraryKind): void {
  test(`${kind}: chunks are read whole, by range and as streams, and verified on receipt`, async (t) => {
    const library = await emptyLibrary(t, kind);
    const content = noise('chunk', 100_000);
    const id = sha256(content);
    assert.equal((await library.writeChunk(id, content)).stored, true);
    assert.equal((await library.writeChunk(id, content)).stored, false);
    assert.deepEqual(await library.getChunkData(id), content);
    assert.deepEqual(await bytesOf(await library.getChunk(id)), content);
    assert.deepEqual(await library.getChunkDataRange(id, 10, 20), content.subarray(10, 30));
    assert.deepEqual(await bytesOf(await library.getChunkRange(id, 99_990, 100)), content.subarray(99_990));
    assert.equal((await library.getChunkDataRange(id, 100_000, 1)).length, 0);
    await assert.rejects(library.getChunkDataRange(id, -1, 1), isKind('invalid'));
    const info = await library.getChunkInfo(id);
    assert.deepEqual([info.id, info.size, info.state, info.verifiedAt], [id, 100_000, 'present', undefined]);
    assert.ok(info.storedSize > 0);
    await assert.rejects(library.writeChunk(id, noise('other', 100_000)), isKind('corrupt', /damaged on the way/));
    await assert.rejects(library.writeChunk(id, Buffer.alloc(16 * MIB + 1)), isKind('too-large'));
    await assert.rejects(library.writeChunk('xyz', content), isKind('invalid'));
    const { operations } = library.getIndexStats();
    assert.deepEqual([operations.receive, operations.create, operations.deduplicate], [1, 0, 1]);
    const other = sha256(Buffer.from('no such chunk'));
    for (const ask of [
      () => library.getChunk(other),
      () => library.getChunkData(other),
      () => library.getChunkInfo(other),
      () => library.deleteChunk(other),
    ]) {
      await assert.rejects(ask, isKind('not-found'));
    }
  });

  test(`${kind}: a chunk is deleted from the index alone, and objects that name it are still read`, async (t) => {
    const library = await emptyLibrary(t, kind);
    const count = counted(library);
    const content = noise('named', 100_000);
    await library.putObject('x', content);
    const [id] = (await count()).ids as [string];
    await library.deleteChunk(id);
    await assert.rejects(library.getChunkData(id), isKind('not-found', /it is absent/));
    await assert.rejects(library.deleteChunk(id), isKind('not-found'));
    assert.equal((await library.getChunkInfo(id)).state, 'absent');
    assert.deepEqual(await count(), { chunks: 0, bytes: 0, ids: [] });
    assert.equal(library.getIndexStats().operations.delete, 1);
    assert.deepEqual(await bytesOf(await library.getObjectData('x')), content);
    await library.collectGarbage({ graceSeconds: 0 });
    assert.deepEqual(await bytesOf(await library.getObjectData('x')), content);
    const again = await library.putObject('y', content);
    assert.equal(again.newChunks, 1);
    assert.deepEqual(await count(), { chunks: 1, bytes: 100_000, ids: [id] });
  });

  test(`${kind}: chunks are visited in order, deleting them meanwhile, up to the first error`, async (t) => {
    const library = await emptyLibrary(t, kind);
    const count = counted(library);
    const contents = Array.from({ length: 30 }, (_, at) => Buffer.from(`chunk ${at}`));
    for (const content of contents) await library.writeChunk(sha256(content), content);
    const sorted = contents.map(sha256).sort();
    assert.deepEqual((await count()).ids, sorted);
    let visited = 0;
    await assert.rejects(
      library.iterateChunks(() => {
        visited += 1;
        if (visited === 3) throw new Error('enough');
      }),
      /enough/,
    );
    assert.equal(visited, 3);
    await library.iterateChunks(async ({ id }) => {
      if (id < '8' && sorted.includes(id)) await library.deleteChunk(id);
    });
    const { chunks, bytes, ids } = await count();
    assert.deepEqual(
      ids,
      sorted.filter((id) => id >= '8'),
    );
    assert.equal(chunks, ids.length);
    assert.ok(bytes > 0);
  });
}

function collectionTests(kind: LibraryKind): void {
  test(`${kind}: a collection gives back what nothing names, and the figures go down`, async (t) => {
    const library = await emptyLibrary(t, kind);
    const count = counted(library);
    const [kept, shared, gone] = [noise('kept', MIB), noise('shared', MIB), noise('gone', MIB)];
    await library.putObject('kept', Buffer.concat([kept]));
    await library.putObject('both 1', shared);
    await library.putObject('both 2', shared);
    await library.putObject('gone', gone);
    assert.equal((await count()).bytes, 3 * MIB);
    assert.equal((await library.collectGarbage({ graceSeconds: 0 })).removed.chunks, 0);
    await library.deleteObject('gone');
    await library.deleteObject('both 1');
    const planned = await library.collectGarbage({ graceSeconds: 0, dryRun: true });
    assert.ok(planned.removed.bytes >= MIB);
    assert.equal((await count()).bytes, 3 * MIB);
    const { freed, removed } = await library.collectGarbage({ graceSeconds: 0 });
    assert.deepEqual(removed, planned.removed);
    assert.deepEqual(freed, removed);
    assert.deepEqual([(await count()).bytes, library.getIndexStats().objects], [2 * MIB, 2]);
    assert.deepEqual(await bytesOf(await library.getObjectData('both 2')), shared);
    assert.deepEqual(await bytesOf(await library.getObjectData('kept')), kept);
  });

  test(`${kind}: a collection while objects are put and deleted takes nothing that is named`, async (t) => {
    const library = await emptyLibrary(t, kind);
    const contents = Array.from({ length: 6 }, (_, at) => noise(`churn ${at}`, 300_000));
    let ended = false;
    const churn = (async () => {
      for (let round = 0; round < 25; round += 1) {
        const at = round % contents.length;
        await library.putObject(`object ${round % 4}`, contents[at] as Buffer);
        assert.deepEqual(await bytesOf(await library.getObjectData(`object ${round % 4}`)), contents[at]);
        if (round % 5 === 4) await library.deleteObject(`object ${round % 4}`);
      }
    })().finally(() => {
      ended = true;
    });
    while (!ended) {
      await library.collectGarbage({ graceSeconds: 0 });
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    await churn;
    for await (const { id, sha256: wanted } of library.listObjects()) {
      assert.equal(sha256(await bytesOf(await library.getObjectData(id))), wanted);
    }
  });
}

function interruptionTests(kind: LibraryKind): void {
  test(`${kind}: every call can be given up, and leaves nothing behind`, async (t) => {
    const library = await emptyLibrary(t, kind);
    const content = noise('x', 6 * MIB);
    await library.putObject('x', content);
    const before = (await allOf(library.listObjects())).length;
    const aborted = AbortSignal.abort(new Error('no more'));
    const [id] = (await chunkIds(library)) as [string];
    for (const ask of [
      () => library.putObject('y', content, { signal: aborted }),
      () => library.getObjectData('x', { signal: aborted }),
      () => library.getObjectRange('x', 0, 1, { signal: aborted }),
      () => library.getChunkData(id, { signal: aborted }),
      () => library.getChunk(id, { signal: aborted }),
      () => library.getChunkRange(id, 0, 1, { signal: aborted }),
      () => library.getChunkDataRange(id, 0, 1, { signal: aborted }),
      () => library.iterateChunks(() => undefined, { signal: aborted }),
      () => allOf(library.listObjects({ signal: aborted })),
    ]) {
      await assert.rejects(ask, isKind('interrupted'));
    }
    const giveUp = new AbortController();
    const silent = new Readable({ read() {} });
    silent.push(content);
    const put = library.putObject('y', silent, { signal: giveUp.signal });
    giveUp.abort();
    await assert.rejects(put, isKind('interrupted'));
    assert.ok(silent.destroyed, 'the source is let go of');
    const reading = new AbortController();
    const stream = await library.getObjectData('x', { signal: reading.signal });
    const iterator = stream[Symbol.asyncIterator]();
    await iterator.next();
    reading.abort();
    await assert.rejects(async () => {
      while ((await iterator.next()).done !== true);
    }, isKind('interrupted'));
    assert.equal((await allOf(library.listObjects())).length, before);
  });

  test(`${kind}: a store that is closed does nothing any more`, async (t) => {
    const library = await emptyLibrary(t, kind);
    await library.putObject('x', noise('x', MIB));
    const silent = new Readable({ read() {} });
    const put = library.putObject('y', silent);
    await Promise.all([assert.rejects(put, isKind('interrupted')), library.close(), library.close()]);
    await assert.rejects(library.putObject('z', Buffer.alloc(1)), isKind('interrupted'));
    await assert.rejects(library.getObject('x'), isKind('interrupted'));
    await assert.rejects(library.deleteObject('x'), isKind('interrupted'));
  });

  test(`${kind}: the default backend is the same each time, and others are not found`, async (t) => {
    const library = await emptyLibrary(t, kind);
    const [only] = await library.listBackends();
    assert.deepEqual(await library.getDefaultBackend(), only);
    assert.deepEqual((await library.getBackend('default')).location, only?.location);
    await assert.rejects(library.getBackend('other'), isKind('not-found', /there are default/));
    const content = Buffer.from('in a backend');
    const id = sha256(content);
    await library.writeChunk(id, content, 'default');
    await assert.rejects(library.writeChunk(id, content, 'other'), isKind('not-found'));
    const storage = library.getBackendStorage('default');
    assert.ok(((await storage.size(`.chunks/${id.slice(0, 2)}/${id}`)) ?? 0) > 0);
    assert.throws(() => library.getBackendStorage('other'), isKind('not-found'));
  });
}
