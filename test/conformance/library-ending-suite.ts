import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { isKind } from '../support/kinds.js';
import { allOf, chunkIds, emptyLibrary, type LibraryKind } from '../support/libraries.js';
import { noise } from '../support/noise.js';

const MIB = 1024 * 1024;

/** Calls end before they are done, whichever index the library has. */
export function libraryEndingSuite(kind: LibraryKind): void {
  interruptionTests(kind);
  closingTests(kind);
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
}

function closingTests(kind: LibraryKind): void {
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
}
