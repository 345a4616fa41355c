import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type { StoredObject } from '../../src/core/stored-object.js';
import type { Library } from '../../src/library/api.js';
import { MemoryIndex } from '../../src/library/memory-index.js';
import { memoryLibrary } from '../../src/library/memory-library.js';
import { SharedCommits } from '../../src/library/shared-commits.js';
import { digestOf } from '../support/catalog.js';
import { isKind } from '../support/kinds.js';
import { allOf, bytesOf, chunkIds, counted, emptyLibrary, LIBRARY_KINDS } from '../support/libraries.js';
import { noise } from '../support/noise.js';
import { Random } from '../support/random.js';

const MIB = 1024 * 1024;

function object(id: string, bytes: number, deleted?: number): StoredObject {
  return {
    ...{ id, bytes, deleted, chunks: 1, indexPath: undefined, compression: 'none', created: 1, metadata: {} },
    ...{ etag: Buffer.alloc(16), sha256: digestOf(id) },
  };
}

test('chunks and objects are found, replaced and taken away in a memory index', async () => {
  const index = new MemoryIndex();
  const digest = digestOf('a');
  assert.equal(index.findChunk(digest), undefined);
  assert.equal(index.forgetChunk(digest), false);
  await index.recordChunks([{ digest, length: 10, stored: 5 }]);
  await index.recordChunks([{ digest, length: 10, stored: 6 }]);
  assert.deepEqual(index.chunkTotals(), { chunks: 1, plainBytes: 10, storedBytes: 6 });
  assert.equal(index.forgetChunk(digest), true);
  assert.deepEqual(index.chunkTotals(), { chunks: 0, plainBytes: 0, storedBytes: 0 });
  assert.equal(index.findChunk(digest)?.state, 'absent');
  await index.recordObject({ object: object('x', 5), replaced: undefined });
  await index.recordObject({ object: object('x', 7), replaced: undefined });
  assert.deepEqual([index.findObject('x')?.bytes, index.objectTotals()], [7, { objects: 1, bytes: 7 }]);
  await index.recordObject({ object: object('x', 7, 99), replaced: undefined });
  assert.deepEqual([index.listObjects(Buffer.alloc(0), 9), index.objectTotals()], [[], { objects: 0, bytes: 0 }]);
});

test('chunks and objects are listed a page at a time, each once and in order', async () => {
  const index = new MemoryIndex();
  const names = Array.from({ length: 25 }, (_, at) => `n${at}`);
  await index.recordChunks(names.map((name) => ({ digest: digestOf(name), length: 1, stored: 1 })));
  for (const name of names) await index.recordObject({ object: object(name, 1), replaced: undefined });
  const digests: string[] = [];
  for (let after: Uint8Array = Buffer.alloc(0); ; ) {
    const page = index.listChunks(after, 4);
    const last = page.at(-1);
    if (last === undefined) break;
    digests.push(...page.map(({ digest }) => Buffer.from(digest).toString('hex')));
    after = last.digest;
  }
  assert.deepEqual(digests, names.map((name) => digestOf(name).toString('hex')).sort());
  const page = index.listObjects(Buffer.from('n2'), 3).map(({ id }) => id);
  assert.deepEqual(page, ['n2', 'n20', 'n21']);
});

test('commits are shared by all who come while one runs, and a failure is told to those it is about', async () => {
  let running = 0;
  let ended = 0;
  let fail = false;
  const commits = new SharedCommits(async () => {
    assert.equal(++running, 1, 'one at a time');
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    running -= 1;
    ended += 1;
    if (fail) throw new Error('the disk is broken');
  });
  const first = commits.commit();
  const others = Array.from({ length: 10 }, () => commits.commit());
  await Promise.all([first, ...others]);
  assert.equal(ended, 2);
  fail = true;
  const failing = [commits.commit(), commits.commit()];
  for (const commit of failing) await assert.rejects(commit, /broken/);
  fail = false;
  await commits.commit();
  assert.equal(ended, 5);
});

for (const kind of LIBRARY_KINDS) {
  test(`${kind}: figures are exact whatever is put, replaced, deleted and collected`, async (t) => {
    const seed = Number(process.env.CAIRN_SEED ?? Date.now() % 1e6);
    t.diagnostic(`CAIRN_SEED=${seed}`);
    const random = new Random(seed);
    const library = await emptyLibrary(t, kind);
    const count = counted(library);
    // Few pieces, so that objects repeat chunks within and among themselves.
    const pieces = Array.from({ length: 4 }, (_, at) => noise(`piece ${at}`, 300_000));
    const wanted = new Map<string, Buffer>();
    for (let step = 0; step < 25; step += 1) {
      const id = `object ${random.below(4)}`;
      if (wanted.has(id) && random.below(3) === 0) {
        await library.deleteObject(id);
        wanted.delete(id);
      } else {
        const content = Buffer.concat(Array.from({ length: random.below(4) }, () => random.pick(pieces)));
        await library.putObject(id, content, { compression: random.pick(['none', 'zstd'] as const) });
        wanted.set(id, content);
      }
      if (step % 8 === 7) await library.collectGarbage({ graceSeconds: 0 });
    }
    await library.collectGarbage({ graceSeconds: 0 });
    await agree(library, wanted);
    const { chunks, bytes, ids } = await count();
    assert.equal(chunks, ids.length);
    const sizes = await Promise.all(ids.map(async (id) => (await library.getChunkData(id)).length));
    assert.equal(
      bytes,
      sizes.reduce((sum, size) => sum + size, 0),
    );
    for (const id of wanted.keys()) await library.deleteObject(id);
    await library.collectGarbage({ graceSeconds: 0 });
    assert.deepEqual(await count(), { chunks: 0, bytes: 0, ids: [] });
  });
}

/** What the library tells is what was done. */
async function agree(library: Library, wanted: ReadonlyMap<string, Buffer>): Promise<void> {
  const { objects, objectBytes } = library.getIndexStats();
  assert.deepEqual(
    [objects, objectBytes],
    [wanted.size, [...wanted.values()].reduce((sum, { length }) => sum + length, 0)],
  );
  assert.deepEqual(
    (await allOf(library.listObjects())).map(({ id }) => id),
    [...wanted.keys()].sort(),
  );
  for (const [id, content] of wanted) assert.deepEqual(await bytesOf(await library.getObjectData(id)), content);
}

test('a store that is full says so, keeps what it has, and goes on when there is room', async (t) => {
  const library = memoryLibrary({ capacityBytes: 3 * MIB });
  t.after(() => library.close());
  const kept = noise('kept', 2 * MIB);
  await library.putObject('kept', kept, { compression: 'none' });
  await assert.rejects(library.putObject('more', noise('more', 4 * MIB)), isKind('no-space'));
  await assert.rejects(library.getObject('more'), isKind('not-found'));
  assert.deepEqual(await bytesOf(await library.getObjectData('kept')), kept);
  await library.deleteObject('kept');
  await library.collectGarbage();
  assert.deepEqual(await chunkIds(library), []);
  await library.putObject('more', noise('more', 2 * MIB));
});

test('a put goes on reading while chunks are stored, and never has more than a few windows in memory', async (t) => {
  const library = memoryLibrary();
  t.after(() => library.close());
  let given = 0;
  let mostAhead = 0;
  let storedAtRead = false;
  const source = new Readable({
    highWaterMark: 1,
    read() {
      const { bytesIn } = library.getIndexStats().compression;
      if (given < 64 && bytesIn > 0) storedAtRead = true;
      mostAhead = Math.max(mostAhead, given * MIB - bytesIn);
      this.push(given < 64 ? noise(`piece ${given}`, MIB) : null);
      given += 1;
    },
  });
  await library.putObject('x', source);
  assert.ok(storedAtRead, 'chunks are stored before the source has ended');
  assert.ok(mostAhead <= 5 * 8 * MIB, `${mostAhead} bytes were read ahead`);
});
