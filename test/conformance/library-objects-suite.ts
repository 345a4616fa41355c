import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { isKind } from '../support/kinds.js';
import { allOf, bytesOf, counted, emptyLibrary, type LibraryKind } from '../support/libraries.js';
import { noise } from '../support/noise.js';

const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

/** Objects come and go, whichever index the library has. */
export function libraryObjectsSuite(kind: LibraryKind): void {
  contentsTests(kind);
  absenceTests(kind);
  listsTests(kind);
}

function contentsTests(kind: LibraryKind): void {
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
}

function absenceTests(kind: LibraryKind): void {
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
}

function listsTests(kind: LibraryKind): void {
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
