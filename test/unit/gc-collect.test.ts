import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { digestHex } from '../../src/core/digest.js';
import { parseGroupPath } from '../../src/core/group.js';
import { parseSnapshotTime } from '../../src/core/snapshot-time.js';
import { encodeDynamicIndex } from '../../src/index/dynamic-index.js';
import { newIndexStamp } from '../../src/index/index-header.js';
import { sha256Sync } from '../../src/native/hash.js';
import { HoldScope } from '../../src/native/holds.js';
import { chunkPath, chunksOnDisk, collectIn, collectInJob, HOUR } from '../support/gc.js';
import { noise } from '../support/noise.js';
import { GROUP, OpenStore } from '../support/open-store.js';

const CURRENT = `${GROUP}/current`;
const MIB = 1024 * 1024;

const NOTHING = { chunks: 0, bytes: 0 };

async function settled(store: OpenStore): Promise<void> {
  await store.live.contents.flushAll();
  await store.live.packer.run();
  await store.live.durability.commitDurably();
}

async function remove(store: OpenStore, path: string): Promise<void> {
  const [parent, name] = await store.at(path);
  await store.vfs.names.unlink(parent, name);
  store.tree.parts.orphans.dropAll();
}

function forget(store: OpenStore, time: string): Promise<void> {
  return store.snapshots.forget(parseGroupPath(GROUP), parseSnapshotTime(time));
}

async function storeWith(t: TestContext, ...files: string[]): Promise<OpenStore> {
  const store = await OpenStore.make(t);
  for (const name of files) await store.write(`${CURRENT}/${name}`, noise(name, 2 * MIB));
  await settled(store);
  return store;
}

test('a collection takes what nothing uses into quarantine, and leaves the rest', async (t) => {
  const store = await storeWith(t, 'kept');
  const before = chunksOnDisk(store.folder);
  await store.write(`${CURRENT}/gone`, noise('gone', 2 * MIB));
  await settled(store);
  const gone = chunksOnDisk(store.folder).filter((digest) => !before.includes(digest));
  assert.ok(gone.length > 0);
  await remove(store, `${CURRENT}/gone`);
  const report = await collectInJob(store);
  assert.deepEqual(chunksOnDisk(store.folder), before);
  assert.deepEqual(chunksOnDisk(store.folder, '.cairn/quarantine'), gone);
  assert.deepEqual(report.removed, report.plan.unreferenced);
  assert.equal(report.removed.chunks, gone.length);
  assert.deepEqual(report.freed, NOTHING);
  assert.deepEqual(await store.read(`${CURRENT}/kept`), noise('kept', 2 * MIB));
  await store.write(`${CURRENT}/again`, noise('gone', 2 * MIB));
  await settled(store);
  assert.deepEqual(chunksOnDisk(store.folder), [...before, ...gone].sort(), 'what is in quarantine is stored anew');
});

test('a dry run says in bytes what the collection then frees, and changes nothing', async (t) => {
  const store = await storeWith(t, 'kept', 'gone');
  await remove(store, `${CURRENT}/gone`);
  const before = chunksOnDisk(store.folder);
  const { plan, removed } = await collectIn(store, { dryRun: true, graceSeconds: 0 });
  assert.deepEqual([chunksOnDisk(store.folder), removed], [before, NOTHING]);
  const report = await collectIn(store, { graceSeconds: 0 });
  assert.deepEqual(report.freed, plan.unreferenced);
  assert.equal(before.length - chunksOnDisk(store.folder).length, plan.unreferenced.chunks);
  assert.deepEqual(
    chunksOnDisk(store.folder, '.cairn/quarantine'),
    [],
    'without a grace period there is no quarantine',
  );
});

test('snapshots keep what they name until they are forgotten, and the grace period ends what is in quarantine', async (t) => {
  const store = await storeWith(t, 'file');
  const time = await store.snapshot();
  await remove(store, `${CURRENT}/file`);
  assert.equal((await collectIn(store)).removed.chunks, 0);
  assert.deepEqual(await store.read(`${GROUP}/${time}/file`), noise('file', 2 * MIB));
  await forget(store, time);
  const removed = (await collectIn(store)).removed;
  assert.ok(removed.bytes > 2 * MIB);
  const waiting = await collectIn(store);
  assert.deepEqual([waiting.plan.quarantined, waiting.freed], [removed, NOTHING]);
  const later = { wallSeconds: () => Date.now() / 1000 + HOUR, steadySeconds: () => performance.now() / 1000 };
  const expired = await collectIn(store, { clocks: later });
  assert.deepEqual([expired.plan.expired, expired.freed], [removed, removed]);
  assert.deepEqual(chunksOnDisk(store.folder, '.cairn/quarantine'), []);
});

test('what the journal, an open file and a hold name is kept', async (t) => {
  const store = await storeWith(t, 'file');
  const handle = await store.openFile(`${CURRENT}/file`);
  const [parent, name] = await store.at(`${CURRENT}/file`);
  await store.vfs.names.unlink(parent, name);
  const held = sha256Sync(Buffer.from('held'));
  await store.datastore.chunks.insertBytes(held, Buffer.from('held'));
  const scope = HoldScope.open();
  t.after(() => scope.end());
  scope.hold(held);
  assert.equal((await collectIn(store)).removed.chunks, 0, 'an orphan is still open');
  assert.deepEqual(await store.readOpen(handle, 0, MIB), noise('file', 2 * MIB).subarray(0, MIB));
  await store.vfs.files.release(handle);
  store.tree.parts.orphans.dropAll();
  scope.end();
  const { removed, plan } = await collectIn(store);
  assert.ok(removed.chunks > 1);
  assert.equal(plan.stray.chunks, 1, 'the chunk that was held and that nothing knows');
});

test('index files that nobody recorded are found, read, recorded, and keep their chunks', async (t) => {
  const store = await storeWith(t);
  const chunks = ['one', 'two', 'three'].map((text) => Buffer.from(text));
  const entries = chunks.map((bytes, n) => ({ end: 10 * (n + 1), digest: sha256Sync(bytes) }));
  for (const [n, bytes] of chunks.entries()) await store.datastore.chunks.insertBytes(entries[n]!.digest, bytes);
  const bytes = encodeDynamicIndex(newIndexStamp(1000), entries.slice(0, 2)).bytes;
  const places = ['pins/other/live.didx', 'ns/a/vm/100/2026-01-01T00:00:00Z/disk.img.didx', 'odd/place.didx'];
  for (const place of places) {
    mkdirSync(join(store.folder, place, '..'), { recursive: true });
    writeFileSync(join(store.folder, place), bytes);
  }
  const first = await collectIn(store);
  assert.deepEqual([first.plan.indexFiles, first.plan.indexFilesRead], [3, 3]);
  assert.equal(first.removed.chunks, 1, 'only the third is named by nothing');
  for (const { digest } of entries.slice(0, 2)) assert.ok(existsSync(chunkPath(store.folder, digest)));
  const second = await collectIn(store);
  assert.deepEqual([second.plan.indexFilesRead, second.removed], [0, NOTHING]);
  for (const place of places) rmSync(join(store.folder, place));
  const third = await collectIn(store);
  assert.deepEqual([third.plan.indexFilesGone, third.removed.chunks], [3, 0], 'kept once more');
  assert.equal((await collectIn(store)).removed.chunks, 2);
});

test('a snapshot without manifest and one that was moved keep their chunks', async (t) => {
  const store = await storeWith(t, 'file');
  const time = await store.snapshot();
  await remove(store, `${CURRENT}/file`);
  const folder = join(store.folder, GROUP, time);
  rmSync(join(folder, 'index.json.blob'));
  assert.equal((await collectIn(store)).removed.chunks, 0);
  mkdirSync(join(store.folder, 'host/other'));
  renameSync(folder, join(store.folder, 'host/other', time));
  const { plan, removed } = await collectIn(store);
  assert.deepEqual([plan.indexFilesRead, plan.indexFilesGone, removed.chunks], [3, 3, 0]);
  await collectIn(store);
  assert.equal((await collectIn(store)).removed.chunks, 0);
});

test('a chunk in quarantine that an index names again comes back', async (t) => {
  const store = await storeWith(t, 'file');
  const time = await store.snapshot();
  const folder = join(store.folder, GROUP, time);
  const copies = ['root.mpxar.didx', 'root.ppxar.didx'].map((name) => [
    join(folder, name),
    `${store.folder}/.cairn/${name}`,
  ]);
  for (const [from, to] of copies) copyFileSync(from!, to!);
  await remove(store, `${CURRENT}/file`);
  await forget(store, time);
  const { removed, left } = await collectIn(store);
  assert.ok(removed.chunks > 0);
  mkdirSync(join(store.folder, 'host/back/2026-01-01T00:00:00Z'), { recursive: true });
  for (const [, copy] of copies) renameSync(copy!, copy!.replace('.cairn', 'host/back/2026-01-01T00:00:00Z'));
  // Though nothing in it is due.
  const { plan } = await collectIn(store, { quarantine: left });
  assert.ok(plan.returned.chunks > 0);
  const quarantined = chunksOnDisk(store.folder, '.cairn/quarantine');
  assert.equal(quarantined.length, plan.quarantined.chunks, 'the attributes only');
  assert.equal((await collectIn(store)).plan.returned.chunks, 0);
});

test('leftovers of crashes go, other files stay', async (t) => {
  const store = await storeWith(t, 'file');
  const [some] = chunksOnDisk(store.folder).filter((digest) => digest.startsWith('a'));
  const lost = digestHex(sha256Sync(Buffer.from('lost')));
  const file = (name: string) => join(store.folder, '.chunks', name.slice(0, 2), name);
  const put = (name: string) => {
    writeFileSync(file(name), name);
    return file(name);
  };
  const stray = put(lost);
  const old = put(`${lost}.tmp_abc123`);
  const fresh = put(`${lost}.tmp_abc124`);
  const bad = put(`${some}.0.bad`);
  const foreign = put('ab-notes.txt');
  utimesSync(old, 1000, 1000);
  const { plan, removed, freed } = await collectIn(store, { processStartedAt: Date.now() / 1000 - 60 });
  assert.deepEqual([stray, old, bad].map(existsSync), [false, false, false]);
  assert.deepEqual([fresh, foreign].map(existsSync), [true, true]);
  assert.deepEqual(plan.foreign, { files: 1, names: ['.chunks/ab/ab-notes.txt'] });
  assert.deepEqual(
    [plan.stray, removed],
    [
      { chunks: 1, bytes: 64 },
      { chunks: 1, bytes: 64 },
    ],
  );
  assert.deepEqual(freed, { chunks: 2, bytes: 64 + 6 + 64 + 11 });
  assert.deepEqual((await collectIn(store)).plan.stray, NOTHING);
});

test('the corrupt file of a chunk that is still missed stays', async (t) => {
  const store = await storeWith(t, 'file');
  const digest = [...store.datastore.catalog.extents.all((await store.find(`${CURRENT}/file`)).node.position)][0];
  assert.ok(digest?.kind === 'chunk');
  const path = chunkPath(store.folder, digest.digest);
  renameSync(path, `${path}.0.bad`);
  store.datastore.catalog.chunks.setState(digest.digest, 'bad');
  await settled(store);
  await collectIn(store);
  assert.ok(existsSync(`${path}.0.bad`));
});

test('packs that are mostly dead are packed anew, and freed at once', async (t) => {
  const store = await storeWith(t);
  const standing = chunksOnDisk(store.folder).length;
  const names = Array.from({ length: 400 }, (_, n) => `small ${n}`);
  for (const name of names) await store.write(`${CURRENT}/${name}`, noise(name, 4000));
  await settled(store);
  const kept = names.filter((_, n) => n % 10 === 3);
  for (const name of names) if (!kept.includes(name)) await remove(store, `${CURRENT}/${name}`);
  const { plan } = await collectIn(store, { dryRun: true });
  assert.ok(plan.repack.chunks >= 5);
  assert.equal(plan.repack.files, 40);
  const report = await collectInJob(store, 0);
  assert.equal(report.plan.repack.files, 40);
  assert.equal(chunksOnDisk(store.folder).length, standing + 1);
  for (const name of kept) assert.deepEqual(await store.read(`${CURRENT}/${name}`), noise(name, 4000));
  assert.deepEqual((await collectIn(store)).plan.repack, { chunks: 0, bytes: 0, files: 0 });
  await store.write(`${CURRENT}/anew`, noise('small 0', 4000));
  await settled(store);
  assert.deepEqual(await store.read(`${CURRENT}/anew`), noise('small 0', 4000), 'its old piece is gone');
});

test('packs that a snapshot keeps are told of and left alone', async (t) => {
  const store = await storeWith(t);
  for (let n = 0; n < 20; n++) await store.write(`${CURRENT}/${n}`, noise(`${n}`, 4000));
  await settled(store);
  await store.snapshot();
  for (let n = 1; n < 20; n++) await remove(store, `${CURRENT}/${n}`);
  const { plan, removed } = await collectIn(store);
  assert.deepEqual([plan.repack.chunks, plan.deadInPacks.chunks, removed.chunks], [0, 1, 0]);
  assert.ok(plan.deadInPacks.bytes > 19 * 4000);
});
