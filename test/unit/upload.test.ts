import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CachedBackend } from '../../src/backend/cache/cached-backend.js';
import { makePlaceholder } from '../../src/backend/cache/placeholder.js';
import { MemoryBackend } from '../../src/backend/memory/memory-backend.js';
import { createCatalog, openCatalog } from '../../src/catalog/open.js';
import { openCatalogReader } from '../../src/catalog/open-reader.js';
import { processGuards } from '../../src/chunkstore/guards.js';
import { chunkName } from '../../src/chunkstore/layout.js';
import { CairnError } from '../../src/core/errors.js';
import type { StoredObject } from '../../src/core/stored-object.js';
import { objectIndexPath, objectRecordPath } from '../../src/index/object-files.js';
import { knownFiles } from '../../src/maintenance/upload/known-files.js';
import { listStoreFiles } from '../../src/maintenance/upload/store-files.js';
import { uploadChunks } from '../../src/maintenance/upload/upload-chunks.js';
import { uploadFiles } from '../../src/maintenance/upload/upload-files.js';
import { upload } from '../../src/maintenance/upload/upload-job.js';
import { FETCHING, type StoreFile, type UploadParts } from '../../src/maintenance/upload/upload-parts.js';
import type { UploadAsks } from '../../src/maintenance/upload/upload-protocol.js';
import { sha256Sync } from '../../src/native/hash.js';
import { catalogPath } from '../support/catalog.js';
import { temporaryFolder } from '../support/temporary-folder.js';

/** Uploads need none. */
const NO_LISTING = { objects: () => assert.fail('nothing is listed') };

/** An upload's parts over a real catalog and folder, and a remote store that writes down what it is asked. */
async function makeParts(t: TestContext, contents: readonly string[]) {
  const path = catalogPath(t);
  createCatalog(path);
  const catalog = openCatalog(path, true);
  const store = temporaryFolder(t);
  const remote = new MemoryBackend();
  const asked: string[] = [];
  const backend = new CachedBackend(store, remote);
  catalog.transactions.begin();
  const commit = () => {
    catalog.transactions.commit(catalog.transactions.appliedSequence());
    catalog.transactions.begin();
  };
  const digests = contents.map((content) => sha256Sync(Buffer.from(content)));
  for (const [index, digest] of digests.entries()) {
    await backend.put(chunkName(digest, 2), Buffer.from(`blob of ${contents[index]}`));
    catalog.chunks.setPresent(digest, 10, `blob of ${contents[index]}`.length);
  }
  commit();
  const reader = openCatalogReader(path);
  t.after(() => {
    reader.close();
    catalog.close();
  });
  const put = remote.put.bind(remote);
  remote.put = async (name, bytes) => {
    asked.push(`put ${name}`);
    await put(name, bytes);
  };
  const removeAll = remote.removeAll.bind(remote);
  remote.removeAll = async (names) => {
    asked.push(...names.map((name) => `remove ${name}`));
    return removeAll(names);
  };
  const ask = async (name: keyof UploadAsks, payload: unknown): Promise<null> => {
    if (name === 'ended') catalog.uploads.end(payload as UploadAsks['ended']['payload']);
    if (name === 'files') {
      const files = payload as UploadAsks['files']['payload'];
      catalog.uploads.noteFiles(files.put, files.removed);
    }
    commit();
    return null;
  };
  const parts: { -readonly [K in keyof UploadParts]: UploadParts[K] } = {
    ...{ store, prefixDigits: 2, reader, guards: processGuards(), cacheBytes: undefined, ask },
    ...{ isShared: false, machine: '', mayWithdraw: true },
    objects: { title: 'memory', remote, listing: NO_LISTING, shared: undefined, transfers: backend.transfers },
    factsOf: async () => undefined,
    progress: () => undefined,
    goOn: () => undefined,
  };
  return { parts, catalog, commit, remote, backend, digests, asked };
}

test('upload: what fails stays in the queue, what came through does not', async (t) => {
  const { parts, catalog, remote, digests } = await makeParts(t, ['a', 'b', 'c']);
  const refused = chunkName(digests[1]!, 2);
  const put = remote.put.bind(remote);
  remote.put = (name, bytes) =>
    name === refused ? Promise.reject(new CairnError('unreachable', 'made to fail')) : put(name, bytes);
  await assert.rejects(uploadChunks(parts), (error) => (error as CairnError).kind === 'unreachable');
  assert.equal(catalog.uploads.totals().chunks, 1);
  remote.put = put;
  assert.deepEqual((await uploadChunks(parts)).chunks, 1);
  assert.equal(catalog.uploads.totals().chunks, 0);
  for (const digest of digests) assert.ok((await remote.size(chunkName(digest, 2))) !== undefined);
});

test('upload: chunks behind a slow one do not wait for it, and nothing is under way any more when it fails', async (t) => {
  const contents = Array.from({ length: 130 }, (_, n) => `${n}`);
  const { parts, catalog, remote, digests } = await makeParts(t, contents);
  const slow = chunkName(digests[0]!, 2);
  const put = remote.put.bind(remote);
  let done = 0;
  let fail: (error: CairnError) => void = () => undefined;
  remote.put = async (name, bytes) => {
    if (name === slow) await new Promise((_, reject) => (fail = reject));
    await put(name, bytes);
    done += 1;
    // All others were put, those of the next batch too.
    if (done === contents.length - 1) fail(new CairnError('unreachable', 'made to fail'));
  };
  await assert.rejects(uploadChunks(parts), (error) => (error as CairnError).kind === 'unreachable');
  assert.deepEqual([done, catalog.uploads.totals().chunks], [contents.length - 1, 1]);
  for (const digest of digests) assert.ok(!processGuards().isHeld(digest));
});

test('upload: what was queued when it began is gone through once, however fast more comes', async (t) => {
  const contents = Array.from({ length: 300 }, (_, n) => `${n}`);
  const { parts, catalog, commit, remote, backend, digests } = await makeParts(t, contents);
  const put = remote.put.bind(remote);
  let more = 0;
  remote.put = async (name, bytes) => {
    await put(name, bytes);
    assert.ok(more < 2000, 'whoever writes is faster, and it never ends');
    for (let n = 0; n < 2; n += 1) {
      more += 1;
      const digest = sha256Sync(Buffer.from(`more ${more}`));
      await backend.put(chunkName(digest, 2), Buffer.from('more'));
      catalog.chunks.setPresent(digest, 10, 4);
    }
    commit();
  };
  const { chunks, isCut } = await uploadChunks(parts);
  assert.deepEqual([chunks, isCut, catalog.uploads.totals().chunks], [300, false, more]);
  for (const digest of digests) assert.ok((await remote.size(chunkName(digest, 2))) !== undefined);
});

test('upload: who comes while nobody waits for what runs does not wait for the rest of it', async (t) => {
  const { parts, catalog } = await makeParts(
    t,
    Array.from({ length: 600 }, (_, n) => `${n}`),
  );
  const ask = parts.ask;
  parts.ask = (async (name: keyof UploadAsks, payload: never) => {
    const answer = await ask(name, payload);
    return name === 'ended' ? true : answer;
  }) as UploadParts['ask'];
  const { chunks, isCut } = await uploadChunks(parts);
  assert.ok(isCut && chunks < 600, `${chunks}`);
  assert.equal(catalog.uploads.totals().chunks, 600 - chunks);
});

test('upload: a chunk that is collected between the listing and its turn is not put', async (t) => {
  const { parts, catalog, commit, remote, backend, digests } = await makeParts(t, ['gone', 'stays']);
  const [gone] = digests as [Buffer];
  const list = parts.reader.uploads.list.bind(parts.reader.uploads);
  const guards = processGuards();
  assert.ok(guards.tryLock(gone));
  let removal: Promise<void> | undefined;
  parts.reader.uploads.list = (after, limit) => {
    const listed = list(after, limit);
    // The collector has the lock before the upload holds the chunk.
    removal ??= (async () => {
      catalog.chunks.setState(gone, 'absent');
      commit();
      await backend.removeAll([chunkName(gone, 2)]);
      guards.unlock(gone);
    })();
    return listed;
  };
  const { chunks, missing } = await uploadChunks(parts);
  await removal;
  assert.deepEqual([chunks, missing], [1, 0]);
  assert.equal(await remote.size(chunkName(gone, 2)), undefined);
  assert.ok(!guards.isHeld(gone));
});

test('upload: bytes that are nowhere are counted and stay in the queue, those that are there only do not', async (t) => {
  const { parts, catalog, backend, digests } = await makeParts(t, ['lost', 'there']);
  const [lost, there] = digests.map((digest) => chunkName(digest, 2)) as [string, string];
  await backend.transfers.upload(there);
  await backend.transfers.evict(there, (work) => work());
  await backend.removeAll([lost]);
  assert.deepEqual(await uploadChunks(parts), { chunks: 1, bytes: 0, missing: 1, waiting: 0, isCut: false });
  assert.equal(catalog.uploads.totals().chunks, 1);
});

test('upload: a chunk only its placeholder tells the length of is there if the object store has as much', async (t) => {
  const { parts, catalog, commit, remote } = await makeParts(t, []);
  const digests = ['there', 'shorter there'].map((content) => sha256Sync(Buffer.from(content)));
  const gathered = catalog.indexFiles.gather();
  // An index file was found here after its chunks' rows were lost to a crash.
  catalog.indexFiles.addChunks(
    gathered,
    digests.map((digest) => ({ digest, length: 100 })),
    'present',
  );
  commit();
  for (const [at, digest] of digests.entries()) {
    const path = join(parts.store, chunkName(digest, 2));
    mkdirSync(dirname(path), { recursive: true });
    await makePlaceholder(path, 50);
    await remote.put(chunkName(digest, 2), Buffer.alloc(50 - at, 1));
  }
  const { chunks, missing } = await uploadChunks(parts);
  assert.deepEqual([chunks, missing, catalog.uploads.totals().chunks], [1, 1, 1]);
});

const uploadListed = (parts: UploadParts, ready: readonly StoreFile[], waiting: readonly string[] = []) =>
  uploadFiles(parts, { ready, waiting: new Set(waiting), known: knownFiles(parts) });

test('upload: files that changed are put in their order, those that are gone removed, manifests first', async (t) => {
  const { parts, backend, asked } = await makeParts(t, []);
  const folder = 'host/x/2026-11-20T10:00:00Z';
  const names = ['root.mpxar.didx', 'index.json.blob'].map((name) => `${folder}/${name}`);
  for (const name of names) await backend.put(name, Buffer.from(name));
  const ready = names.map((path) => ({ path, identity: '1' }));
  await uploadListed(parts, ready);
  assert.deepEqual(asked.splice(0), [`put ${names[0]}`, `put ${names[1]}`]);
  await uploadListed(parts, ready);
  assert.deepEqual(asked, []);
  await uploadListed(parts, [ready[0]!, { path: names[1]!, identity: '2' }]);
  assert.deepEqual(asked.splice(0), [`put ${names[1]}`]);
  await uploadListed(parts, [], names);
  assert.deepEqual(asked, [], 'what waits is not gone');
  await uploadListed(parts, []);
  assert.deepEqual(asked, [`remove ${names[1]}`, `remove ${names[0]}`]);
});

test('upload: a snapshot of another machine that never came here is not taken for gone', async (t) => {
  const { parts, catalog, commit, asked } = await makeParts(t, []);
  catalog.uploads.noteFiles([{ path: 'host/x/2026-11-20T10:00:00Z/index.json.blob', identity: FETCHING }], []);
  commit();
  assert.deepEqual(await uploadListed(parts, []), { put: 0, removed: 0, kept: 0 });
  assert.deepEqual(asked, []);
});

test('upload: a snapshot that a refresh brings while the queue is gone through is not gone, though its group is taken over', async (t) => {
  const { parts, catalog, commit, remote, backend, asked } = await makeParts(t, ['a']);
  const folder = 'host/x/2026-11-20T10:00:00Z';
  const names = ['index.json.blob', 'root.mpxar.didx'].map((name) => `${folder}/${name}`);
  const { ask } = parts;
  const shared = { removeAll: (gone: readonly string[]) => remote.removeAll(gone) };
  Object.assign(parts, { isShared: true, objects: { ...parts.objects, shared } });
  parts.ask = async (name, payload) => {
    if (name === 'take-group') return true as never;
    return (name === 'usable' ? [true] : ask(name, payload)) as never;
  };
  const put = remote.put.bind(remote);
  remote.put = async (name, bytes) => {
    await put(name, bytes);
    for (const path of names) await backend.put(path, Buffer.from(path));
    catalog.uploads.noteFiles(
      names.map((path) => ({ path, identity: 'tag a' })),
      [],
    );
    commit();
  };
  assert.deepEqual([(await upload(parts)).filesRemoved, asked.length], [0, 1]);
});

test('upload: the mark of protection goes at once, though its snapshot would have to stay for now', async (t) => {
  const { parts, remote, backend, asked } = await makeParts(t, []);
  const folder = 'host/x/2026-11-20T10:00:00Z';
  const names = ['.protected', 'index.json.blob'].map((name) => `${folder}/${name}`);
  for (const name of names) await backend.put(name, Buffer.from(name));
  const ready = names.map((path) => ({ path, identity: '1' }));
  await uploadListed(parts, ready);
  asked.splice(0);
  const { ask } = parts;
  const shared = { removeAll: (gone: readonly string[]) => remote.removeAll(gone) };
  Object.assign(parts, { isShared: true, mayWithdraw: false, objects: { ...parts.objects, shared } });
  parts.ask = async (name, payload) => (name === 'take-group' ? true : ask(name, payload)) as never;
  assert.deepEqual(await uploadListed(parts, []), { put: 0, removed: 1, kept: 1 });
  assert.deepEqual(asked, [`remove ${names[0]}`]);
});

test('upload: objects go with their index files, records last, and what was deleted leaves its record', async (t) => {
  const { parts, catalog, commit, asked } = await makeParts(t, ['a']);
  const object = (id: string, version: string | undefined, deleted?: number): StoredObject => ({
    ...{ id, bytes: 10, deleted, chunks: 1, compression: 'none', created: 1, metadata: {} },
    ...{ etag: Buffer.alloc(16), sha256: Buffer.alloc(32) },
    indexPath: version === undefined ? undefined : objectIndexPath(id, version),
  });
  const track = (path: string): void => {
    const rest = { fileBytes: 4136, chunkCount: 1, contentBytes: 10, header: Buffer.alloc(96) };
    catalog.indexFiles.put({ path, kind: 'dynamic', checksum: Buffer.alloc(32), ...rest }, catalog.indexFiles.gather());
  };
  const [one, two] = ['0000000000000001', '0000000000000002'];
  const [first, second] = [objectIndexPath('x', one), objectIndexPath('x', two)];
  const recordOf = objectRecordPath('x');
  const here = new Map([first, second, recordOf, objectRecordPath('empty')].map((path) => [path, 'content']));
  for (const [path, content] of here) {
    mkdirSync(dirname(join(parts.store, path)), { recursive: true });
    writeFileSync(join(parts.store, path), content);
  }
  const facts = { bytes: 7, allocatedBytes: 7, usedAt: 0 };
  let version = '1';
  parts.factsOf = async (path) => (existsSync(path) ? { identity: version, ...facts } : undefined);
  catalog.objects.put(object('x', one));
  catalog.objects.put(object('empty', undefined));
  commit();
  assert.deepEqual([...(await listStoreFiles(parts)).waiting].sort(), [first, recordOf].sort(), 'it is not tracked');
  track(first);
  commit();
  await uploadFiles(parts, await listStoreFiles(parts));
  assert.deepEqual(asked.splice(0), [`put ${objectRecordPath('empty')}`, `put ${first}`, `put ${recordOf}`]);
  catalog.objects.put(object('x', two));
  track(second);
  version = '2';
  commit();
  await uploadFiles(parts, await listStoreFiles(parts));
  const steps = asked.splice(0).filter((step) => !step.includes('empty'));
  assert.deepEqual(steps, [`put ${second}`, `put ${recordOf}`, `remove ${first}`]);
  catalog.objects.put(object('x', undefined, 99));
  version = '3';
  commit();
  await uploadFiles(parts, await listStoreFiles(parts));
  assert.deepEqual(
    asked.filter((step) => !step.includes('empty')),
    [`put ${recordOf}`, `remove ${second}`],
  );
});
