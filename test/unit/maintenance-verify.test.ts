import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { payloadHeader } from '../../src/chunk/payload-header.js';
import { zeroChunkDigest } from '../../src/chunk/zero-chunks.js';
import { type Digest, digestHex } from '../../src/core/digest.js';
import { parseSnapshotTime } from '../../src/core/snapshot-time.js';
import { failedSnapshots } from '../../src/daemon/failed-snapshots.js';
import { loadIndex } from '../../src/index/index-file.js';
import { loadManifest } from '../../src/index/publish.js';
import { verifyOutcomeOf } from '../../src/index/verify-state.js';
import { sha256Sync } from '../../src/native/hash.js';
import { runCare } from '../support/care.js';
import { ofKind } from '../support/catalog.js';
import { noise } from '../support/noise.js';
import { GROUP, OpenStore } from '../support/open-store.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const ALL = { maxAgeDays: 0, spread: false };

/** A store with small files, a large one and a snapshot. */
async function filledStore(t: TestContext): Promise<{ store: OpenStore; snapshot: string }> {
  const store = await OpenStore.make(t);
  await store.mkdir(`${GROUP}/current/sub`);
  for (let n = 0; n < 5; n++) await store.write(`${GROUP}/current/sub/small-${n}`, noise(`${n}`, 5000));
  await store.write(`${GROUP}/current/large`, noise('large', 3_000_000));
  return { store, snapshot: await store.snapshot() };
}

function chunkPath(store: OpenStore, digest: Digest): string {
  const hex = digestHex(digest);
  return join(store.folder, '.chunks', hex.slice(0, 2), hex);
}

/** The chunks an index file of the snapshot lists. */
async function chunksOf(store: OpenStore, snapshot: string, name: string): Promise<Digest[]> {
  const { index } = await loadIndex(join(store.folder, GROUP, snapshot, name));
  return Array.from({ length: index.count }, (_, i) => Uint8Array.from(index.digest(i)));
}

function flip(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
  writeFileSync(path, bytes);
}

test('a scrub that is broken off is continued by the next one, and each chunk is verified once', async (t) => {
  const { store } = await filledStore(t);
  const total = store.datastore.catalog.chunks.totals('present').chunks;
  const cancelled = new AbortController();
  const options = { maxAgeDays: 30, spread: false };
  const progress = ({ done }: { done: number }): void => {
    if (done >= 10) cancelled.abort();
  };
  const first = await runCare(t, store, 'scrub', options, { signal: cancelled.signal, progress });
  assert.equal(first.interrupted, true);
  assert.ok(first.chunks >= 10 && first.chunks < total, `${first.chunks} of ${total}`);
  assert.equal(first.never, total - first.chunks);
  const second = await runCare(t, store, 'scrub', options);
  assert.deepEqual([second.interrupted, second.chunks, second.never], [false, total - first.chunks, 0]);
  assert.equal((await runCare(t, store, 'scrub', options)).chunks, 0);
  assert.equal((await runCare(t, store, 'scrub', ALL)).chunks, total);
});

test('a daily run verifies its share ahead, those verified longest ago first', async (t) => {
  const { store } = await filledStore(t);
  const { catalog } = store.datastore;
  await runCare(t, store, 'scrub', ALL);
  const total = catalog.chunks.totals('present').chunks;
  const now = Math.floor(Date.now() / 1000);
  const digests = (await chunksOf(store, (await store.snapshots.list(GROUP))[0]?.time ?? '', 'root.ppxar.didx')).slice(
    1,
    4,
  );
  const days = 86_400;
  for (const [n, digest] of digests.entries()) catalog.chunks.setVerified(digest, now - (5 - n) * days);
  const share = Math.ceil(total / 30);
  assert.ok(share < digests.length);
  const report = await runCare(t, store, 'scrub', { maxAgeDays: 30, spread: true });
  assert.equal(report.chunks, share);
  const verified = digests.filter((digest) => (catalog.chunks.find(digest)?.verifiedAt ?? 0) >= now);
  assert.deepEqual(verified, digests.slice(0, share));
});

test('damaged metadata is named with the folders it hides; the outcome is in manifest and catalog', async (t) => {
  const { store, snapshot } = await filledStore(t);
  const time = parseSnapshotTime(snapshot);
  const target = { targets: [{ group: GROUP, time }] };
  const outcome = async () => verifyOutcomeOf(await loadManifest(join(store.folder, GROUP, snapshot)))?.state;
  const row = () => {
    const group = store.datastore.catalog.groups.list()[0]?.id ?? 0;
    return store.datastore.catalog.snapshots.findByTime(group, time)?.verifyState;
  };
  const good = await runCare(t, store, 'snapshots', target);
  assert.deepEqual(good.snapshots, [{ group: GROUP, time: snapshot, problems: [] }]);
  assert.deepEqual([await outcome(), row()], ['ok', 'ok']);
  const [metadata] = await chunksOf(store, snapshot, 'root.mpxar.didx');
  flip(chunkPath(store, metadata as Digest));
  const bad = await runCare(t, store, 'snapshots', target);
  assert.deepEqual(bad.snapshots[0]?.problems, ['1 of its chunks is damaged']);
  assert.ok(bad.damaged[0]?.files.includes(`${GROUP}/${snapshot} (metadata)`), bad.damaged[0]?.files.join(' '));
  assert.deepEqual([await outcome(), row()], ['failed', 'failed']);
  const names = readdirSync(join(chunkPath(store, metadata as Digest), '..'));
  assert.ok(names.includes(`${digestHex(metadata as Digest)}.0.bad`), names.join(' '));
});

test('a damaged index file or manifest is a problem of its snapshot, told in words', async (t) => {
  const { store, snapshot } = await filledStore(t);
  const folder = join(store.folder, GROUP, snapshot);
  const target = { targets: [{ group: GROUP, time: null }] };
  const problems = async () => (await runCare(t, store, 'snapshots', target)).snapshots[0]?.problems.join() ?? '';
  copyFileSync(join(folder, 'root.ppxar.didx'), join(folder, 'kept'));
  flip(join(folder, 'root.ppxar.didx'));
  assert.match(await problems(), /root\.ppxar\.didx: .*does not fit its checksum/);
  copyFileSync(join(folder, 'cairn.attrs.didx'), join(folder, 'root.ppxar.didx'));
  assert.match(await problems(), /root\.ppxar\.didx: its checksum is not that of the manifest/);
  rmSync(join(folder, 'root.ppxar.didx'));
  assert.match(await problems(), /root\.ppxar\.didx: .*ENOENT|not there|No such/i);
  copyFileSync(join(folder, 'kept'), join(folder, 'root.ppxar.didx'));
  assert.equal(await problems(), '');
  flip(join(folder, 'index.json.blob'));
  assert.match(await problems(), /index\.json\.blob/);
});

/** Overwrites what an index file lists, and leaves its header and size. @returns puts back what was there */
function spoilList(path: string): () => void {
  const kept = readFileSync(path);
  const spoilt = Buffer.from(kept);
  spoilt.fill(0xa5, 4096, 4104);
  writeFileSync(path, spoilt);
  return () => writeFileSync(path, kept);
}

test('a scrub reads every index file, and the snapshot of a damaged one is a problem until it is whole again', async (t) => {
  const { store, snapshot } = await filledStore(t);
  const { catalog } = store.datastore;
  const row = () => catalog.snapshots.newestFinished(1)?.verifyState;
  const daily = { maxAgeDays: 30, spread: true };
  assert.deepEqual((await runCare(t, store, 'scrub', ALL)).snapshots, []);
  for (const name of ['root.mpxar.didx', 'root.ppxar.didx', 'cairn.attrs.didx']) {
    const restore = spoilList(join(store.folder, GROUP, snapshot, name));
    // Nothing is due, and yet each run looks.
    const found = await runCare(t, store, 'scrub', daily);
    assert.deepEqual([found.snapshots.length, found.snapshots[0]?.time], [1, snapshot]);
    assert.match(found.snapshots[0]?.problems.join() ?? '', new RegExp(`^${name}: `));
    assert.equal(row(), 'failed');
    const [problem] = failedSnapshots(catalog);
    assert.match(problem?.message ?? '', new RegExp(`${GROUP}/${snapshot} failed .*cairn repair`));
    const repaired = await runCare(t, store, 'repair', { from: null, apply: false });
    assert.deepEqual(repaired.snapshots, found.snapshots);
    const { findings } = await runCare(t, store, 'check', { deep: false });
    assert.deepEqual(
      findings.map(({ kind, path }) => [kind, path]),
      [['failed-verification', `${GROUP}/${snapshot}`]],
    );
    restore();
    const whole = { group: GROUP, time: snapshot, problems: [] };
    assert.deepEqual((await runCare(t, store, 'repair', { from: null, apply: false })).snapshots, [whole]);
    assert.deepEqual((await runCare(t, store, 'scrub', daily)).snapshots, []);
    assert.deepEqual([row(), failedSnapshots(catalog)], ['ok', []]);
  }
});

test('a scrub reads the index files of objects, those being deleted apart', async (t) => {
  const { store, snapshot } = await filledStore(t);
  const { indexFiles } = store.datastore.catalog;
  const like = `${GROUP}/${snapshot}/root.ppxar.didx`;
  const path = 'objects/aa/x.0123456789abcdef.didx';
  mkdirSync(join(store.folder, 'objects/aa'), { recursive: true });
  copyFileSync(join(store.folder, like), join(store.folder, path));
  const row = indexFiles.find(like);
  assert.ok(row !== undefined && indexFiles.putLike({ ...row, path }, like));
  assert.deepEqual((await runCare(t, store, 'scrub', ALL)).objects, []);
  spoilList(join(store.folder, path));
  const { objects, snapshots } = await runCare(t, store, 'scrub', ALL);
  assert.deepEqual([objects.map((object) => object.path), snapshots], [[path], []]);
  indexFiles.remove(path);
  assert.deepEqual((await runCare(t, store, 'scrub', ALL)).objects, []);
});

test('a snapshot that lacks a chunk stays failed until it is there again', async (t) => {
  const { store, snapshot } = await filledStore(t);
  const [metadata] = await chunksOf(store, snapshot, 'root.mpxar.didx');
  const path = chunkPath(store, metadata as Digest);
  const kept = readFileSync(path);
  flip(path);
  const failed = await runCare(t, store, 'snapshots', { targets: [{ group: GROUP, time: null }] });
  const lacking = [{ group: GROUP, time: snapshot, problems: ['1 of its chunks is damaged'] }];
  assert.deepEqual(failed.snapshots, lacking);
  assert.deepEqual((await runCare(t, store, 'repair', { from: null, apply: false })).snapshots, lacking);
  const later = await runCare(t, store, 'scrub', { maxAgeDays: 30, spread: true });
  assert.deepEqual([later.snapshots, later.damaged.length], [[], 1]);
  assert.equal(store.datastore.catalog.snapshots.newestFinished(1)?.verifyState, 'failed');
  writeFileSync(path, kept);
  assert.equal((await runCare(t, store, 'scrub', { maxAgeDays: 30, spread: true })).healed, 1);
  assert.equal(store.datastore.catalog.snapshots.newestFinished(1)?.verifyState, 'ok');
});

test('what follows from the format is stored anew by itself: headers, markers and zeros', async (t) => {
  const { store } = await filledStore(t);
  const header = sha256Sync(payloadHeader(3_000_000));
  const lost = [header, zeroChunkDigest(4096), sha256Sync(payloadHeader(0))];
  for (const digest of lost) rmSync(chunkPath(store, digest));
  const report = await runCare(t, store, 'scrub', ALL);
  assert.deepEqual([report.healed, report.damaged], [3, []]);
  for (const digest of lost) {
    assert.ok(existsSync(chunkPath(store, digest)));
    assert.equal(store.datastore.catalog.chunks.find(digest)?.state, 'present');
  }
});

test('a bad chunk that was put back is good again; one that was collected is missed by nobody', async (t) => {
  const { store, snapshot } = await filledStore(t);
  const chunks = await chunksOf(store, snapshot, 'root.ppxar.didx');
  const data = chunks.filter((digest) => readFileSync(chunkPath(store, digest)).length > 10_000);
  const [a, b] = data as [Digest, Digest];
  const kept = readFileSync(chunkPath(store, a));
  truncateSync(chunkPath(store, a), 100);
  const found = await runCare(t, store, 'scrub', ALL);
  assert.deepEqual(
    found.damaged.map(({ digest, condition }) => [digest, condition]),
    [[digestHex(a), 'corrupt']],
  );
  writeFileSync(chunkPath(store, a), kept);
  rmSync(chunkPath(store, b));
  store.datastore.catalog.chunks.setState(b, 'absent');
  const again = await runCare(t, store, 'suspects', { digests: [b] });
  assert.deepEqual([again.damaged, store.datastore.catalog.chunks.find(b)?.state], [[], 'absent']);
  const { healed, damaged } = await runCare(t, store, 'scrub', { maxAgeDays: 30, spread: false });
  assert.deepEqual([healed, damaged], [1, []]);
});

test('repair takes only bytes with the right digest, and says what it lacks', async (t) => {
  const { store, snapshot } = await filledStore(t);
  const source = temporaryFolder(t);
  const chunks = await chunksOf(store, snapshot, 'root.ppxar.didx');
  const data = chunks.filter((digest) => readFileSync(chunkPath(store, digest)).length > 100_000);
  for (const digest of data) rmSync(chunkPath(store, digest));
  const { damaged } = await runCare(t, store, 'scrub', ALL);
  assert.equal(damaged.length, data.length);
  const none = await runCare(t, store, 'repair', { from: source, apply: true });
  assert.match(none.chunks[0]?.reason ?? '', /large.* not to be had/);
  const changed = noise('large', 3_000_000);
  changed[100] = (changed[100] as number) ^ 1;
  writeFileSync(join(source, 'large'), changed);
  const planned = await runCare(t, store, 'repair', { from: source, apply: false });
  const outcomes = planned.chunks.map(({ outcome }) => outcome).sort();
  assert.deepEqual(outcomes, ['not-healed', ...data.slice(1).map(() => 'would-heal')]);
  assert.match(planned.chunks.find(({ reason }) => reason !== null)?.reason ?? '', /has changed/);
  assert.ok(data.every((digest) => !existsSync(chunkPath(store, digest))));
  writeFileSync(join(source, 'large'), noise('large', 3_000_000));
  const done = await runCare(t, store, 'repair', { from: source, apply: true });
  assert.ok(done.chunks.every(({ outcome }) => outcome === 'healed'));
  assert.equal(store.datastore.catalog.chunks.totals('bad').chunks, 0);
  assert.deepEqual((await runCare(t, store, 'scrub', ALL)).damaged, []);
});

test('all names of a damaged file are told, hard links in folders without anything damaged among them', async (t) => {
  const store = await OpenStore.make(t);
  const current = `${GROUP}/current`;
  const link = async (from: string, to: string) => {
    const [parent, name] = await store.at(`${current}/${to}`);
    await store.vfs.names.link((await store.find(`${current}/${from}`)).node, parent, name);
  };
  for (const folder of ['far', 'far/down', 'near']) await store.mkdir(`${current}/${folder}`);
  // `behind` lies between `bad` and the folders `far` and `near`, so that nothing of theirs is damaged.
  for (const name of ['bad', 'behind']) await store.write(`${current}/${name}`, noise(name, 3_000_000));
  for (const folder of ['far/down', 'near']) await store.write(`${current}/${folder}/own`, noise(folder, 1_000_000));
  await link('bad', 'far/down/link');
  const once = await store.snapshot();
  await link('bad', 'near/second');
  const twice = await store.snapshot();
  // Data chunks of `bad` come first in the payload stream, behind its start and the file's header.
  const chunks = await chunksOf(store, once, 'root.ppxar.didx');
  const data = chunks.find((digest) => readFileSync(chunkPath(store, digest)).length > 100_000) as Digest;
  flip(chunkPath(store, data));
  const { damaged } = await runCare(t, store, 'scrub', ALL);
  const names = ['bad', 'far/down/link'];
  assert.deepEqual(damaged[0]?.files.toSorted(), [
    ...names.map((name) => `${GROUP}/${once}/${name}`),
    ...[...names, 'near/second'].map((name) => `${GROUP}/${twice}/${name}`),
    ...[...names, 'near/second'].map((name) => `${current}/${name}`),
  ]);
});

test('a restore drill restores the same files for a seed, and fails where one cannot be restored', async (t) => {
  const { store, snapshot } = await filledStore(t);
  const drill = { files: 8, seed: 42 };
  const good = await runCare(t, store, 'drill', drill);
  assert.deepEqual([good.files, good.failures], [8, []]);
  assert.deepEqual(await runCare(t, store, 'drill', drill), good);
  const chunks = await chunksOf(store, snapshot, 'root.ppxar.didx');
  const data = chunks.filter((digest) => readFileSync(chunkPath(store, digest)).length > 10_000);
  for (const digest of data) flip(chunkPath(store, digest));
  const bad = await runCare(t, store, 'drill', drill);
  assert.equal(bad.failures.length, 8);
  assert.match(bad.failures[0]?.path ?? '', new RegExp(`^${GROUP}/${snapshot}/(large|sub/small-\\d)$`));
});

test('a group that is none is told by its name', async (t) => {
  const { store } = await filledStore(t);
  await assert.rejects(
    runCare(t, store, 'snapshots', { targets: [{ group: 'host/nosuch', time: null }] }),
    (error: Error) => ofKind('not-found')(error) && error.message === 'There is no group host/nosuch',
  );
});
