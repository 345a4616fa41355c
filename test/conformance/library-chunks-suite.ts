import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { isKind } from '../support/kinds.js';
import { bytesOf, counted, emptyLibrary, type LibraryKind } from '../support/libraries.js';
import { noise } from '../support/noise.js';

const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Chunks, collections and backends, whichever index the library has. */
export function libraryChunksSuite(kind: LibraryKind): void {
  accessTests(kind);
  indexTests(kind);
  collectionTests(kind);
  backendsTests(kind);
}

function accessTests(kind: LibraryKind): void {
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
}

function indexTests(kind: LibraryKind): void {
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

function backendsTests(kind: LibraryKind): void {
  test(`${kind}: the default backend is the same each time, and others are not found`, async (t) => {
    const library = await emptyLibrary(t, kind);
    const [only] = await library.listBackends();
    assert.equal((await library.getDefaultBackend()).id, only?.id);
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
