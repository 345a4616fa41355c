import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import { digestHex } from '../../src/core/digest.js';
import { loadIndex } from '../../src/index/index-file.js';
import type { CheckReport } from '../../src/maintenance/check/check-store.js';
import { runCare } from '../support/care.js';
import { noise } from '../support/noise.js';
import { GROUP, OpenStore } from '../support/open-store.js';

async function filledStore(t: TestContext): Promise<{ store: OpenStore; snapshot: string }> {
  const store = await OpenStore.make(t);
  for (let n = 0; n < 3; n++) await store.write(`${GROUP}/current/small-${n}`, noise(`${n}`, 5000));
  await store.write(`${GROUP}/current/large`, noise('large', 3_000_000));
  return { store, snapshot: await store.snapshot() };
}

/** The kinds of findings, damage in capitals, sorted. */
function kinds({ findings }: CheckReport): string[] {
  return findings.map(({ kind, severity }) => (severity === 'damage' ? kind.toUpperCase() : kind)).sort();
}

function indexPath(store: OpenStore, snapshot: string, name: string): string {
  return join(store.folder, GROUP, snapshot, name);
}

/** The files of the data chunks that the snapshot lists, longest first. */
async function dataFiles(store: OpenStore, snapshot: string): Promise<string[]> {
  const { index } = await loadIndex(indexPath(store, snapshot, 'root.ppxar.didx'));
  const hexes = Array.from({ length: index.count }, (_, i) => digestHex(index.digest(i)));
  const paths = [...new Set(hexes)].map((hex) => join(store.folder, '.chunks', hex.slice(0, 2), hex));
  return paths.sort((a, b) => readFileSync(b).length - readFileSync(a).length);
}

test('a sound store has no findings, also with files not packed yet', async (t) => {
  const { store } = await filledStore(t);
  for (const deep of [false, true]) assert.deepEqual((await runCare(t, store, 'check', { deep })).findings, []);
  await store.write(`${GROUP}/current/new`, 'in the journal');
  await store.live.durability.commitDurably();
  assert.deepEqual((await runCare(t, store, 'check', { deep: true })).findings, []);
});

test('chunk files that are gone, short, set aside, unknown, or no chunks are found by listing them', async (t) => {
  const { store, snapshot } = await filledStore(t);
  const [first, second] = (await dataFiles(store, snapshot)) as [string, string];
  rmSync(first);
  truncateSync(second, 10);
  const stray = join(store.folder, '.chunks/ab', `ab${'0'.repeat(62)}`);
  for (const path of [stray, `${stray}.0.bad`, join(store.folder, '.chunks/ab/notes.txt')]) writeFileSync(path, 'x');
  assert.deepEqual(kinds(await runCare(t, store, 'check', { deep: false })), []);
  const report = await runCare(t, store, 'check', { deep: true });
  assert.deepEqual(kinds(report), ['CHUNK-SIZE', 'MISSING-CHUNK', 'bad-chunk-aside', 'stray-chunk', 'unknown-file']);
  const missing = report.findings.find(({ kind }) => kind === 'missing-chunk');
  assert.equal(join(store.folder, missing?.path ?? ''), first);
});

test('a chunk known to be bad that something names is found at once', async (t) => {
  const { store, snapshot } = await filledStore(t);
  const [first] = (await dataFiles(store, snapshot)) as [string];
  const digest = Buffer.from(first.slice(-64), 'hex');
  store.datastore.catalog.chunks.setState(digest, 'bad');
  store.datastore.catalog.chunks.setPresent(Buffer.alloc(32, 7), 10, 10);
  store.datastore.catalog.chunks.setState(Buffer.alloc(32, 7), 'bad');
  const report = await runCare(t, store, 'check', { deep: false });
  assert.deepEqual(
    report.findings.map(({ kind, path }) => [kind, path]),
    [['bad-chunk', digestHex(digest)]],
  );
});

test('snapshots and index files that are not what the catalog recorded are found', async (t) => {
  const { store, snapshot } = await filledStore(t);
  const check = async (deep = false) => kinds(await runCare(t, store, 'check', { deep }));
  const payload = indexPath(store, snapshot, 'root.ppxar.didx');
  const whole = readFileSync(payload);
  const damaged = Buffer.from(whole);
  damaged[damaged.length - 1] = (damaged.at(-1) as number) ^ 1;
  writeFileSync(payload, damaged);
  assert.deepEqual(await check(), []);
  assert.deepEqual(await check(true), ['INDEX-CHECKSUM', 'SET-DIFFERS']);
  damaged[20] = (damaged[20] as number) ^ 1;
  writeFileSync(payload, damaged);
  assert.deepEqual(await check(), ['INDEX-CHANGED']);
  rmSync(payload);
  assert.deepEqual(await check(), ['INDEX-FILE', 'MISSING-FILE']);
  writeFileSync(payload, whole);
  const manifest = indexPath(store, snapshot, 'index.json.blob');
  const kept = readFileSync(manifest);
  truncateSync(manifest, 20);
  assert.deepEqual(await check(), ['MANIFEST']);
  writeFileSync(manifest, kept);
  const folder = join(store.folder, GROUP, snapshot);
  renameSync(folder, join(store.folder, GROUP, '2020-01-01T00:00:00Z'));
  assert.deepEqual(await check(), [...Array(3).fill('INDEX-FILE'), 'MISSING-SNAPSHOT', 'unknown-snapshot']);
  renameSync(join(store.folder, GROUP, '2020-01-01T00:00:00Z'), folder);
  mkdirSync(join(store.folder, GROUP, '2020-01-01T00:00:00Z'));
  assert.deepEqual(await check(), []);
});

test('a snapshot whose forgetting was broken off is no damage, and the next mount is what it waits for', async (t) => {
  const { store, snapshot } = await filledStore(t);
  const { catalog } = store.datastore;
  const group = catalog.groups.list().find(({ name }) => name.id === 'x');
  const [row] = catalog.snapshots.list(group?.id as number);
  catalog.snapshots.update(row?.archive as number, { state: 'forgetting' });
  await store.live.durability.commitDurably();
  // What comes next failed: the rows stay behind the folder.
  rmSync(join(store.folder, GROUP, snapshot), { recursive: true });
  const report = await runCare(t, store, 'check', { deep: true });
  assert.deepEqual(kinds(report), ['unfinished-forgetting']);
  assert.match(report.findings[0]?.advice ?? '', /mount the datastore anew/);
});

test('tables that contradict each other, and journal segments that are gone, are found', async (t) => {
  const { store } = await filledStore(t);
  await store.close();
  const database = new Database(join(store.folder, '.cairn/catalog.db'));
  database.exec(
    "INSERT INTO extents VALUES (9999, 0, 10, 0, 123456, 0); INSERT INTO dentries VALUES (1, 99999, x'78', 424242)",
  );
  database.exec(
    'INSERT INTO extents VALUES (9999, 20, 10, 1, 77, 0); UPDATE chunk_totals SET plain = plain + 1 WHERE state = 0',
  );
  database.close();
  await store.open();
  assert.deepEqual(kinds(await runCare(t, store, 'check', { deep: false })), ['MISSING-JOURNAL-SEGMENT']);
  const report = await runCare(t, store, 'check', { deep: true });
  assert.deepEqual(report.counts, { 'catalog-contradiction': 4, 'missing-journal-segment': 1 });
  const said = report.findings.map(({ message }) => message).sort();
  assert.match(said.join('\n'), /extent in a chunk the catalog does not know: list 9999, offset 0/);
  assert.match(said.join('\n'), /name of no inode: inode 424242 in folder 1/);
  assert.match(said.join('\n'), /list of extents that no file uses: list 9999/);
  assert.match(said.join('\n'), /total of chunks that is not their sum: state 0/);
});
