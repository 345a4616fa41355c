import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createCatalog, openCatalog } from '../../src/catalog/open.js';
import { openCatalogReader } from '../../src/catalog/open-reader.js';
import type { RemoteFile } from '../../src/catalog/uploads.js';
import { processGuards } from '../../src/chunkstore/guards.js';
import { type Digest, digestHex } from '../../src/core/digest.js';
import { CairnError } from '../../src/core/errors.js';
import { revokedName } from '../../src/datastore/shared/machine-epochs.js';
import { encodeDynamicIndex } from '../../src/index/dynamic-index.js';
import { buildManifest, manifestText } from '../../src/index/manifest.js';
import { unpackDigests } from '../../src/maintenance/gc/packed-digests.js';
import { fetchSnapshot } from '../../src/maintenance/refresh/fetch-snapshot.js';
import { refresh } from '../../src/maintenance/refresh/refresh-job.js';
import type { RefreshParts } from '../../src/maintenance/refresh/refresh-parts.js';
import type { RefreshAsks } from '../../src/maintenance/refresh/refresh-protocol.js';
import { FETCHING, UNCERTAIN } from '../../src/maintenance/upload/upload-parts.js';
import { BLOB_HEADER_BYTES, encodeBlobSync } from '../../src/native/blob.js';
import { catalogPath } from '../support/catalog.js';
import { isKind } from '../support/kinds.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const FOLDER = 'host/a/2026-11-21T10:00:00Z';
const SNAPSHOT = { group: 'host/a', time: 1, folder: FOLDER, files: [`${FOLDER}/root.mpxar.didx`], tag: '' };

test('a chunk that a collector takes while its snapshot is fetched is asked for in the object store', async () => {
  const digest: Digest = Buffer.alloc(32, 7);
  const { bytes } = encodeDynamicIndex({ uuid: Buffer.alloc(16), ctime: 0 }, [{ end: 10, digest }]);
  const asked: string[] = [];
  let state: 'present' | 'absent' = 'present';
  const parts = {
    store: '/nowhere',
    prefixDigits: 2,
    reader: { chunks: { find: () => ({ state }) } },
    objects: { get: async () => bytes, size: async () => 77 },
    guards: {
      hold: () => undefined,
      release: () => undefined,
      // The collector had the lock, and has written down what it took when it gives it back.
      lock: async () => {
        state = 'absent';
      },
      unlock: () => undefined,
    },
    ask: async (_name: 'chunks', { digests }: { digests: Uint8Array }) => {
      asked.push(...unpackDigests(digests).map(digestHex));
      return false;
    },
    goOn: () => undefined,
  };
  assert.equal(await fetchSnapshot(parts as unknown as RefreshParts, SNAPSHOT, new Set(), []), false);
  assert.deepEqual(asked, [digestHex(digest)]);
});

function md5(bytes: Buffer = Buffer.alloc(0)): string {
  return createHash('md5').update(bytes).digest('hex');
}

function clientOf(bucket: ReadonlyMap<string, Buffer>) {
  const below = (prefix: string) => [...bucket.keys()].filter((name) => name.startsWith(`${prefix}/`));
  return {
    objects: {
      get: async (name: string) => bucket.get(name),
      size: async () => 77,
      list: async function* (prefix: string) {
        yield* below(prefix);
      },
    },
    listing: {
      objects: async function* (prefix: string) {
        for (const name of below(prefix)) yield { name, tag: md5(bucket.get(name)) };
      },
    },
  };
}

/** A machine's folder and catalog, and what it is told of another one's snapshots; a kill takes what was not committed. */
async function machine(t: TestContext) {
  const path = catalogPath(t);
  createCatalog(path);
  let catalog = openCatalog(path, true);
  catalog.transactions.begin();
  const reader = openCatalogReader(path);
  const store = temporaryFolder(t);
  t.after(() => {
    reader.close();
    catalog.close();
  });
  const commit = () => {
    catalog.transactions.commit(catalog.transactions.appliedSequence());
    catalog.transactions.begin();
  };
  const bucket = new Map<string, Buffer>();
  const asked: string[] = [];
  let isKilled = false;
  const ask = async (name: keyof RefreshAsks, payload: unknown): Promise<unknown> => {
    asked.push(name);
    if (name === 'record-index' && isKilled) throw new CairnError('interrupted', 'made to end');
    if (name === 'fetching') {
      const put = (payload as RefreshAsks['fetching']['payload']).map((file) => ({ path: file, identity: FETCHING }));
      catalog.uploads.noteFiles(put, []);
    }
    if (name === 'adopt') catalog.uploads.noteFiles((payload as RefreshAsks['adopt']['payload']).files, []);
    if (name === 'forget') catalog.uploads.noteFiles([], (payload as RefreshAsks['forget']['payload']).files);
    if (name === 'fetching' || !isKilled) commit();
    return name === 'is-others' || name === 'chunks' ? true : null;
  };
  const parts = {
    ...{ store, prefixDigits: 2, reader, guards: processGuards(), ask, ...clientOf(bucket) },
    factsOf: async () => undefined,
    standIn: async () => undefined,
    progress: () => undefined,
    goOn: () => undefined,
  } as unknown as RefreshParts;
  const killed = async (): Promise<void> => {
    isKilled = true;
    await assert.rejects(refresh(parts), isKind('interrupted', /made to end/));
    isKilled = false;
    catalog.close();
    catalog = openCatalog(path, true);
    catalog.transactions.begin();
    asked.splice(0);
  };
  const note = (files: readonly RemoteFile[]): void => {
    catalog.uploads.noteFiles(files, []);
    commit();
  };
  return { parts, bucket, store, asked, killed, note, noted: () => reader.uploads.listFiles('', 100) };
}

/** Another machine's snapshot in the bucket. */
function publish(bucket: Map<string, Buffer>): string {
  const { bytes } = encodeDynamicIndex({ uuid: Buffer.alloc(16), ctime: 0 }, [
    { end: 10, digest: Buffer.alloc(32, 7) },
  ]);
  bucket.set(`${FOLDER}/root.mpxar.didx`, bytes);
  bucket.set(`${FOLDER}/index.json.blob`, Buffer.from('manifest'));
  return `${FOLDER}/index.json.blob`;
}

test('a snapshot whose fetching a kill broke off goes where its machine forgot it meanwhile', async (t) => {
  const { parts, bucket, store, asked, killed, noted } = await machine(t);
  const manifest = publish(bucket);
  await killed();
  assert.ok(existsSync(join(store, manifest)), 'the next mount shows it');
  bucket.clear();
  assert.deepEqual(await refresh(parts), { appeared: 0, gone: 1, changed: 0, postponed: 0 });
  assert.deepEqual([asked, noted()], [['is-others', 'forget'], []]);
});

test('a snapshot whose fetching a kill broke off is fetched again where it still is', async (t) => {
  const { parts, bucket, killed, noted } = await machine(t);
  const manifest = publish(bucket);
  await killed();
  assert.deepEqual(await refresh(parts), { appeared: 1, gone: 0, changed: 0, postponed: 0 });
  assert.deepEqual(noted(), [{ path: manifest, identity: `tag ${md5(bucket.get(manifest))}` }]);
  assert.deepEqual(await refresh(parts), { appeared: 0, gone: 0, changed: 0, postponed: 0 });
});

test('a snapshot that was only about to be published stays where another machine took its group over', async (t) => {
  const { parts, asked, note, noted } = await machine(t);
  const files = ['index.json.blob', 'root.mpxar.didx'].map((name) => ({
    path: `${FOLDER}/${name}`,
    identity: UNCERTAIN,
  }));
  note(files);
  assert.deepEqual([(await refresh(parts)).gone, asked, noted()], [0, [], files]);
});

test('a snapshot that was put when this machine had been taken for dead stays; published and withdrawn it goes', async (t) => {
  const { parts, bucket, note, noted } = await machine(t);
  const manifest = publish(bucket);
  note([{ path: manifest, identity: '1:2:3' }]);
  bucket.set(revokedName(manifest), Buffer.from('{}'));
  assert.equal((await refresh(parts)).gone, 0);
  bucket.delete(manifest);
  assert.deepEqual([(await refresh(parts)).gone, noted()], [1, []]);
});

/** Another machine's snapshot as `publish` makes them, with a manifest that can be read. */
async function publishOf(bucket: Map<string, Buffer>, checksum: Buffer): Promise<string> {
  const manifest = publish(bucket);
  const file = { filename: 'root.mpxar.didx', cryptMode: 'none' as const, size: 10, checksum };
  const built = buildManifest({ type: 'host', id: 'a', time: 1, files: [file] });
  const text = manifestText(built);
  const blob = Buffer.alloc(text.length + BLOB_HEADER_BYTES);
  bucket.set(manifest, blob.subarray(0, encodeBlobSync(text, blob, 1)));
  return manifest;
}

test('a snapshot that has the name of one that is here is fetched in its place', async (t) => {
  const { parts, bucket, store, asked } = await machine(t);
  const manifest = await publishOf(bucket, Buffer.alloc(32, 1));
  assert.equal((await refresh(parts)).appeared, 1);
  await publishOf(bucket, Buffer.alloc(32, 2));
  asked.splice(0);
  assert.deepEqual(await refresh(parts), { appeared: 1, gone: 1, changed: 0, postponed: 0 });
  assert.deepEqual(readFileSync(join(store, manifest)), bucket.get(manifest));
  assert.deepEqual(asked, ['is-others', 'forget', 'fetching', 'chunks', 'record-index', 'adopt', 'commit']);
  assert.deepEqual(await refresh(parts), { appeared: 0, gone: 0, changed: 0, postponed: 0 });
});

test('a snapshot that was not published stays where another machine has one of its name', async (t) => {
  const { parts, bucket, store, asked } = await machine(t);
  const manifest = await publishOf(bucket, Buffer.alloc(32, 1));
  mkdirSync(join(store, FOLDER), { recursive: true });
  const here = bucket.get(manifest) as Buffer;
  writeFileSync(join(store, manifest), here);
  await publishOf(bucket, Buffer.alloc(32, 2));
  assert.deepEqual(await refresh(parts), { appeared: 0, gone: 0, changed: 0, postponed: 0 });
  assert.deepEqual([asked, readFileSync(join(store, manifest))], [['is-others'], here]);
});
