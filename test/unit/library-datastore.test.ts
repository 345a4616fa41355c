import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FsBackend } from '../../src/backend/fs/fs-backend.js';
import { openCatalogReader } from '../../src/catalog/open-reader.js';
import { parseDynamicIndex } from '../../src/index/dynamic-index.js';
import { parseObjectFile } from '../../src/index/object-files.js';
import type { Library } from '../../src/library/api.js';
import { objectChanges } from '../../src/library/change-objects.js';
import { createLibrary, openLibrary, openLibraryReader } from '../../src/library/open-library.js';
import type { WriteParts } from '../../src/library/store-parts.js';
import { TurnsByKey } from '../../src/library/turns-by-key.js';
import { dropCached } from '../../src/native/chunk-cache.js';
import { isKind } from '../support/kinds.js';
import { allOf, bytesOf, datastoreLibrary, filesBelow } from '../support/libraries.js';
import { noise } from '../support/noise.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const idsOf = async (library: Pick<Library, 'listObjects'>) => (await allOf(library.listObjects())).map(({ id }) => id);

function chunkFile(store: string, id: string): string {
  return join(store, '.chunks', id.slice(0, 2), id);
}

test('objects, chunks and figures are there again when the store is opened again', async (t) => {
  const { library, store } = await datastoreLibrary(t);
  const content = noise('kept', 3 * MIB);
  const {
    newChunks: _new,
    newBytes: _bytes,
    ...put
  } = await library.putObject('a/b', content, { metadata: { k: 'v' } });
  await library.putObject('gone', noise('gone', 1000));
  await library.deleteObject('gone');
  const { chunks, bytes, objects } = library.getIndexStats();
  await library.close();
  const again = await openLibrary(store);
  assert.deepEqual(await again.getObject('a/b'), put);
  assert.deepEqual(await bytesOf(await again.getObjectData('a/b')), content);
  await assert.rejects(again.getObject('gone'), isKind('not-found', /was deleted/));
  const now = again.getIndexStats();
  assert.deepEqual([now.chunks, now.bytes, now.objects], [chunks, bytes, objects]);
  // As others see it: an index file where collectors look, and a record beside it.
  const files = filesBelow(store, 'objects');
  const kinds = files.map((file) => parseObjectFile(file.split('/').at(-1) as string)?.kind);
  assert.deepEqual(kinds.sort(), ['index', 'record', 'record']);
  const index = parseDynamicIndex(readFileSync(join(store, files.find((file) => file.endsWith('.didx')) as string)));
  assert.equal(index.contentLength, content.length);
  await again.close();
});

test('one process writes, others read beside it what was committed', async (t) => {
  const { library, store } = await datastoreLibrary(t);
  await library.putObject('x', Buffer.from('one'));
  await assert.rejects(openLibrary(store), isKind('busy', /^The datastore .* is in use by/));
  const reader = await openLibraryReader(store);
  t.after(() => reader.close());
  assert.equal((await bytesOf(await reader.getObjectData('x'))).toString(), 'one');
  await library.putObject('x', Buffer.from('two'));
  await library.putObject('y', Buffer.from('more'));
  assert.equal((await bytesOf(await reader.getObjectData('x'))).toString(), 'two');
  assert.deepEqual(await idsOf(reader), ['x', 'y']);
  assert.equal(reader.getIndexStats().objects, 2);
  assert.deepEqual(
    (await reader.listBackends()).map(({ id, readOnly }) => [id, readOnly]),
    [['default', true]],
  );
  await assert.rejects(reader.getDefaultBackend(), isKind('read-only'));
  await reader.close();
  await assert.rejects(reader.getObject('x'), isKind('interrupted'));
});

test('what is no datastore is not opened, and a new one is made and opened', async (t) => {
  const folder = temporaryFolder(t);
  await assert.rejects(openLibrary(join(folder, 'none')), isKind('not-found'));
  await assert.rejects(openLibraryReader(join(folder, 'none')), isKind('not-found'));
  const made = await createLibrary(join(folder, 'new'), { reserveBytes: 4096 });
  await made.putObject('x', Buffer.from('x'));
  await made.close();
  await assert.rejects(createLibrary(join(folder, 'new')), isKind('exists'));
});

test('puts and deletions that were broken off are ended when the store is opened', async (t) => {
  const { library, store } = await datastoreLibrary(t);
  await library.putObject('replaced', noise('before', MIB));
  await library.putObject('deleted', noise('deleted', MIB));
  await library.putObject('same', noise('same', MIB));
  await library.close();
  const catalog = join(store, '.cairn/catalog.db');
  cpSync(catalog, `${catalog}.before`);
  const later = await openLibrary(store);
  await later.putObject('replaced', noise('after', 2 * MIB));
  await later.putObject('new', noise('new', MIB));
  await later.deleteObject('deleted');
  const wanted = later.getIndexStats();
  await later.close();
  // As if the process had been killed before the catalog was committed, ever since.
  cpSync(`${catalog}.before`, catalog);
  const record = filesBelow(store, 'objects').find((file) => file.endsWith('/new.object')) as string;
  const folder = record.slice(0, record.lastIndexOf('/'));
  // As if it had been killed before a record was written, or while one was.
  const leftover = join(store, folder, 'never.0123456789abcdef.didx');
  cpSync(join(store, filesBelow(store, folder).find((file) => file.endsWith('.didx')) as string), leftover);
  writeFileSync(join(store, folder, 'new.object.tmp_abc123'), 'half');
  const again = await openLibrary(store);
  assert.deepEqual(await idsOf(again), ['new', 'replaced', 'same']);
  assert.deepEqual(await bytesOf(await again.getObjectData('replaced')), noise('after', 2 * MIB));
  await assert.rejects(again.getObject('deleted'), isKind('not-found', /was deleted/));
  assert.deepEqual([again.getIndexStats().objects, again.getIndexStats().objectBytes], [3, wanted.objectBytes]);
  assert.ok(!existsSync(leftover));
  assert.equal(filesBelow(store, 'objects').length, 3 * 2 + 1);
  await again.collectGarbage({ graceSeconds: 0 });
  for (const [id, content] of [
    ['new', noise('new', MIB)],
    ['same', noise('same', MIB)],
  ] as const) {
    assert.deepEqual(await bytesOf(await again.getObjectData(id)), content);
  }
  await again.close();
});

test('a deletion or empty put that was killed between record and catalog is ended when the store is opened', async (t) => {
  const { library, store } = await datastoreLibrary(t);
  await library.putObject('deleted', noise('deleted', MIB));
  await library.putObject('emptied', noise('emptied', MIB));
  await library.putObject('back', Buffer.alloc(0));
  await library.deleteObject('back');
  await library.close();
  const later = killedBeforeCatalog(store);
  await assert.rejects(later.deleteObject('deleted'), /killed/);
  await assert.rejects(later.putObject('emptied', Buffer.alloc(0)), /killed/);
  await assert.rejects(later.putObject('back', Buffer.alloc(0)), /killed/);
  for (const round of ['first', 'second']) {
    const again = await openLibrary(store);
    assert.deepEqual(await idsOf(again), ['back', 'emptied'], round);
    await assert.rejects(again.getObject('deleted'), isKind('not-found', /was deleted/));
    assert.deepEqual([again.getIndexStats().objects, again.getIndexStats().objectBytes], [2, 0]);
    const left = filesBelow(store, 'objects').map((file) => file.split('/').at(-1));
    assert.deepEqual(left.sort(), ['back.object', 'deleted.object', 'emptied.object']);
    await again.close();
  }
});

/** Changes objects of a closed store as a process does that is killed when it is about to tell the catalog. */
function killedBeforeCatalog(store: string): ReturnType<typeof objectChanges> {
  const reader = openCatalogReader(join(store, '.cairn/catalog.db'));
  const rows = new Map(['deleted', 'emptied', 'back'].map((id) => [id, reader.objects.find(id)]));
  reader.close();
  const index = {
    requireWorking: () => undefined,
    findObject: (id: string) => rows.get(id),
    recordChunks: async () => undefined,
    recordObject: () => Promise.reject(new Error('killed')),
  };
  const chunks = { sync: async () => undefined };
  const { signal: closing } = new AbortController();
  const parts = { index, chunks, files: new FsBackend(store), turns: new TurnsByKey(), closing };
  return objectChanges(parts as unknown as WriteParts);
}

test('a record that is damaged costs its own object alone, and no chunk', async (t) => {
  const { library, store } = await datastoreLibrary(t);
  await library.putObject('good', noise('good', MIB));
  await library.putObject('bad', noise('bad', MIB));
  await library.close();
  const record = filesBelow(store, 'objects').find((file) => file.endsWith('/bad.object')) as string;
  const whole = readFileSync(join(store, record));
  writeFileSync(join(store, record), whole.subarray(0, 50));
  rmSync(join(store, filesBelow(store, 'objects').find((file) => /\/good\.[0-9a-f]+\.didx$/.test(file)) as string));
  const again = await openLibrary(store);
  await assert.rejects(again.getObjectData('good'), isKind('corrupt', /index file .* is missing/));
  assert.deepEqual(await bytesOf(await again.getObjectData('bad')), noise('bad', MIB));
  await again.close();
});

test('a chunk that is lost, cut short or damaged is stored anew by the next put', async (t) => {
  const { library, store } = await datastoreLibrary(t);
  const content = noise('dedup', 200_000);
  const id = sha256(content);
  await library.putObject('first', content);
  const file = chunkFile(store, id);
  const whole = readFileSync(file);
  const damages: (() => void)[] = [() => rmSync(file), () => truncateSync(file, 1000)];
  for (const damage of damages) {
    damage();
    assert.equal((await library.putObject('again', content)).newChunks, 1);
    assert.deepEqual(readFileSync(file), whole);
  }
  const flipped = Buffer.from(whole);
  flipped.writeUInt8(flipped.readUInt8(5000) ^ 1, 5000);
  writeFileSync(file, flipped);
  dropCached(Buffer.from(id, 'hex'));
  await assert.rejects(async () => bytesOf(await library.getObjectData('first')), isKind('corrupt', new RegExp(id)));
  await assert.rejects(library.getChunkData(id), isKind('corrupt'));
  assert.equal((await library.putObject('again', content, { verifyExisting: true })).newChunks, 1);
  assert.deepEqual(await bytesOf(await library.getObjectData('first')), content);
});

test('a write that failed leaves no object, and the store goes on', async (t) => {
  const { library, store } = await datastoreLibrary(t);
  // A file where the folder of a chunk should be.
  const content = noise('no room', 200_000);
  const folder = join(store, '.chunks', sha256(content).slice(0, 2));
  rmSync(folder, { recursive: true });
  writeFileSync(folder, '');
  await assert.rejects(library.putObject('x', content), isKind('not-a-directory'));
  await assert.rejects(library.getObject('x'), isKind('not-found'));
  rmSync(folder);
  await library.putObject('x', content);
  assert.deepEqual(await bytesOf(await library.getObjectData('x')), content);
});
