import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseGroupPath } from '../../src/core/group.js';
import { silentLog } from '../../src/core/log.js';
import { systemClock } from '../../src/core/time.js';
import { parseTreeName } from '../../src/core/tree-name.js';
import { makeCatalogCopy } from '../../src/daemon/catalog-copies/copy-files.js';
import { CatalogCopies } from '../../src/daemon/catalog-copies/copy-service.js';
import { planRebuild } from '../../src/daemon/rebuild/plan-rebuild.js';
import { type RebuildReport, rebuildCatalog } from '../../src/daemon/rebuild/rebuild-catalog.js';
import { datastorePaths } from '../../src/datastore/paths.js';
import { runCare } from '../support/care.js';
import { ofKind } from '../support/catalog.js';
import { collectIn, HOUR } from '../support/gc.js';
import { noise } from '../support/noise.js';
import { GROUP, OpenStore } from '../support/open-store.js';

const BIG = noise('1', 3_000_000);
const OTHER = noise('2', 2_000_000);
const CURRENT = `${GROUP}/current`;

interface RebuildArguments {
  readonly useCopies?: boolean;
  readonly signal?: AbortSignal;
}

function rebuild(store: OpenStore, { useCopies = true, signal }: RebuildArguments = {}): Promise<RebuildReport> {
  const caller = { signal: signal ?? new AbortController().signal, progress: () => undefined };
  return rebuildCatalog(store.folder, { useCopies, evenIfWhole: false }, caller, silentLog);
}

/** Copies the catalog as it is committed now. */
async function copyNow(store: OpenStore, nowSeconds = Date.now() / 1000): Promise<string> {
  const places = datastorePaths(store.folder);
  const outcome = await makeCatalogCopy(places, { nowSeconds, spareBytes: 0, rest: () => undefined });
  assert.equal(outcome.kind, 'made');
  return outcome.kind === 'made' ? outcome.copy.name : '';
}

/** Brings all file bytes into chunks; the journal's older segments go. */
async function packAll({ live }: OpenStore): Promise<void> {
  await live.packer.run();
  for (let commits = 0; commits < 2; commits++) await live.durability.commitDurably();
}

function loseCatalog(store: OpenStore): void {
  const { catalog } = datastorePaths(store.folder);
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${catalog}${suffix}`, { force: true });
}

/** A store with a snapshot of two files, and a change after it. */
async function filledStore(t: TestContext): Promise<{ store: OpenStore; time: string }> {
  const store = await OpenStore.make(t);
  await store.mkdir(`${CURRENT}/folder`);
  await store.write(`${CURRENT}/folder/big`, BIG);
  await store.write(`${CURRENT}/small`, 'as in the snapshot');
  const time = await store.snapshot();
  await store.write(`${CURRENT}/small`, 'changed since');
  return { store, time };
}

async function requireNoDamage(t: TestContext, store: OpenStore): Promise<void> {
  const { findings } = await runCare(t, store, 'check', { deep: true });
  assert.deepEqual(
    findings.filter(({ severity }) => severity === 'damage'),
    [],
  );
}

test('without catalog and copies all about snapshots comes back, and live trees are as the newest one', async (t) => {
  const { store, time } = await filledStore(t);
  await store.mkdir('host/empty');
  await store.mkdir('ns/deep');
  await store.mkdir('ns/deep/vm');
  await store.mkdir('ns/deep/vm/7');
  await store.write('ns/deep/vm/7/current/disk', OTHER);
  await store.snapshots.marks.protect(parseTreeName(`${GROUP}/${time}`), true);
  await store.snapshots.marks.note(parseTreeName(`${GROUP}/${time}`), 'remember');
  const second = await store.snapshot('ns/deep/vm/7');
  await store.close();
  loseCatalog(store);

  const report = await rebuild(store);
  assert.equal(report.copy, null);
  assert.equal(report.snapshots, 2);
  assert.deepEqual([report.chunks.missing, report.lost.paths, report.indexes.unreadable], [0, [], []]);
  const from = new Map(report.groups.map(({ group, current, snapshot }) => [group, snapshot ?? current]));
  assert.deepEqual(Object.fromEntries(from), { [GROUP]: time, 'host/empty': 'empty', 'ns/deep/vm/7': second });

  await store.open();
  assert.deepEqual(await store.read(`${CURRENT}/folder/big`), BIG);
  assert.equal((await store.read(`${CURRENT}/small`)).toString(), 'as in the snapshot');
  assert.deepEqual(await store.read('ns/deep/vm/7/current/disk'), OTHER);
  assert.deepEqual(await store.read(`${GROUP}/${time}/folder/big`), BIG);
  assert.deepEqual(await store.names('host/empty/current'), []);
  const { groups, snapshots } = store.datastore.catalog;
  const row = groups.findByName(parseGroupPath(GROUP));
  const snapshot = snapshots.list(row?.id ?? 0)[0];
  assert.deepEqual([snapshot?.isProtected, snapshot?.notes], [true, 'remember']);
  await requireNoDamage(t, store);
  await store.write(`${CURRENT}/new`, OTHER);
  await store.reopen();
  assert.deepEqual(await store.read(`${CURRENT}/new`), OTHER);
  await requireNoDamage(t, store);
});

test('a copy and the journal behind it bring everything back', async (t) => {
  const { store } = await filledStore(t);
  await store.live.durability.commitDurably();
  const copy = await copyNow(store);
  await store.write(`${CURRENT}/later`, OTHER);
  await store.mkdir('host/later');
  await store.write('host/later/current/file', 'of a group the copy does not know');
  await store.abandon();
  writeFileSync(datastorePaths(store.folder).catalog, 'no database any more');
  const { journal } = datastorePaths(store.folder);
  const segments = readdirSync(journal);

  const plan = await planRebuild(store.folder, true);
  assert.deepEqual([plan.condition.kind, plan.copies.chosen?.journalFits], ['damaged', true]);
  const report = await rebuild(store);
  assert.equal(report.copy, copy);
  assert.equal(report.journal.lost, 0);
  assert.ok(report.journal.applied > 0);
  assert.deepEqual(report.lost.paths, []);
  const own = datastorePaths(store.folder).own;
  assert.equal(readFileSync(join(own, report.aside.catalog ?? ''), 'utf8'), 'no database any more');
  assert.deepEqual(readdirSync(join(own, report.aside.journal)), segments);

  await store.open();
  assert.deepEqual(await store.read(`${CURRENT}/later`), OTHER);
  assert.equal((await store.read(`${CURRENT}/small`)).toString(), 'changed since');
  assert.equal((await store.read('host/later/current/file')).toString(), 'of a group the copy does not know');
  await requireNoDamage(t, store);
});

test('a copy made with an empty journal brings its files back without the journal of its time', async (t) => {
  const { store } = await filledStore(t);
  const small = noise('unpacked', 20_000);
  await store.write(`${CURRENT}/packed later`, small);
  await store.live.durability.commitDurably();
  await packAll(store);
  const copy = await copyNow(store);
  // The journal goes on, and what the copies know of it goes.
  for (let mounts = 0; mounts < 2; mounts++) {
    await store.reopen();
    await store.write(`${CURRENT}/after ${mounts}`, 'of a segment of its own');
    await packAll(store);
  }
  await store.abandon();
  loseCatalog(store);
  const report = await rebuild(store);
  assert.deepEqual([report.copy, report.groups[0]?.current, report.lost.paths], [copy, 'copy', []]);
  await store.open();
  assert.ok((await store.read(`${CURRENT}/packed later`)).equals(small));
  assert.equal((await store.read(`${CURRENT}/small`)).toString(), 'changed since');
});

test('soon after a mount that finds file bytes in the journal a copy is made without them, then one an hour', async (t) => {
  const { store } = await filledStore(t);
  await copyNow(store);
  await store.reopen();
  await store.write(`${CURRENT}/changed`, 'since the copy');
  await store.live.durability.commitDurably();
  const { datastore } = store;
  const { journalRefs } = datastore.catalog;
  assert.ok(journalRefs.oldestSegment() !== undefined);
  t.mock.timers.enable({ apis: ['setInterval'] });
  const copies = await CatalogCopies.open(datastore, () => packAll(store), systemClock, silentLog);
  copies.start();
  t.mock.timers.tick(60_000);
  await copies.stop();
  assert.deepEqual([copies.figures().count, copies.problems(), journalRefs.oldestSegment()], [2, [], undefined]);
  await store.write(`${CURRENT}/changed`, 'once more');
  await store.live.durability.commitDurably();
  copies.start();
  t.mock.timers.tick(60_000);
  await copies.stop();
  assert.equal(copies.figures().count, 2);
});

test('what was collected since the copy comes back from quarantine, or is named', async (t) => {
  const { store } = await filledStore(t);
  // Unlike those of any other test: chunks held by a store that was abandoned are held for the whole process.
  const kept = noise('kept', 2_000_000);
  await store.write(`${CURRENT}/kept`, kept);
  await store.write(`${CURRENT}/gone`, noise('3', 1_500_000));
  await store.live.packer.run();
  await store.live.durability.commitDurably();
  const inTime = Date.now() / 1000 + 5;
  await copyNow(store, inTime);
  for (const name of ['gone', 'kept']) {
    const [parent, bytes] = await store.at(`${CURRENT}/${name}`);
    await store.vfs.names.unlink(parent, bytes);
    await store.close();
    await store.open();
    await collectIn(store, { graceSeconds: name === 'gone' ? 0 : HOUR });
  }
  await store.close();
  loseCatalog(store);
  // Nothing is left of the journal that the copy could go on with.
  const { journal } = datastorePaths(store.folder);
  for (const name of readdirSync(journal)) rmSync(join(journal, name));

  const report = await rebuild(store);
  assert.ok(report.chunks.broughtBack >= 1, 'nothing was brought back');
  assert.ok(report.chunks.missing >= 1, 'nothing is missing');
  assert.deepEqual(report.lost.paths, [`${CURRENT}/gone`]);
  await store.open();
  assert.deepEqual(await store.read(`${CURRENT}/kept`), kept);
  assert.deepEqual(await store.read(`${CURRENT}/folder/big`), BIG);
  await assert.rejects(store.read(`${CURRENT}/gone`));
  // Written again it must not be taken for present.
  await store.write(`${CURRENT}/again`, noise('3', 1_500_000));
  assert.deepEqual(await store.read(`${CURRENT}/again`), noise('3', 1_500_000));
});

test('a torn copy is passed over for an older one', async (t) => {
  const { store } = await filledStore(t);
  await store.live.durability.commitDurably();
  const whole = await copyNow(store, Date.now() / 1000 - 10);
  const torn = await copyNow(store);
  await store.close();
  loseCatalog(store);
  truncateSync(join(datastorePaths(store.folder).catalogCopies, torn), 1000);
  const plan = await planRebuild(store.folder, true);
  assert.deepEqual(
    plan.copies.unusable.map(({ name }) => name),
    [torn],
  );
  assert.equal((await rebuild(store)).copy, whole);
});

test('rebuilding that was interrupted keeps the store closed, and is done anew', async (t) => {
  const { store } = await filledStore(t);
  await store.live.durability.commitDurably();
  await copyNow(store);
  await store.write(`${CURRENT}/later`, OTHER);
  await store.abandon();
  loseCatalog(store);
  const abort = new AbortController();
  const giveUp = { signal: abort.signal, progress: () => abort.abort() };
  await assert.rejects(
    rebuildCatalog(store.folder, { useCopies: true, evenIfWhole: false }, giveUp, silentLog),
    ofKind('interrupted'),
  );
  await assert.rejects(store.open(), ofKind('not-ready'));
  assert.equal((await planRebuild(store.folder, true)).interrupted, true);
  const report = await rebuild(store);
  assert.ok(report.journal.applied > 0);
  assert.equal(existsSync(datastorePaths(store.folder).rebuilding), false);
  await store.open();
  assert.deepEqual(await store.read(`${CURRENT}/later`), OTHER);
});

test('rebuilding that was interrupted when changes of the journal were committed, and those segments gone, loses none of them', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(`${CURRENT}/small`, 'first');
  await store.live.durability.commitDurably();
  await copyNow(store, Date.now() / 1000 - 100);
  await store.snapshot();
  await store.write(`${CURRENT}/after the snapshot`, 'precious');
  await store.live.packer.run();
  await store.abandon();
  loseCatalog(store);
  const abort = new AbortController();
  // The first commits were made by then.
  const atChunks = ({ step }: { readonly step: string }) => void (step === 'looking for chunks' && abort.abort());
  await assert.rejects(
    rebuildCatalog(
      store.folder,
      { useCopies: true, evenIfWhole: false },
      { signal: abort.signal, progress: atChunks },
      silentLog,
    ),
    ofKind('interrupted'),
  );
  assert.equal((await planRebuild(store.folder, true)).copies.chosen?.journalFits, true);
  const report = await rebuild(store);
  assert.deepEqual(
    report.groups.map(({ current }) => current),
    ['copy'],
  );
  await store.open();
  assert.equal((await store.read(`${CURRENT}/after the snapshot`)).toString(), 'precious');
});

test('a catalog that is whole is left alone', async (t) => {
  const { store } = await filledStore(t);
  await store.close();
  await assert.rejects(rebuild(store), ofKind('exists'));
});

test('a damaged page is told by a deep check, with what to do', async (t) => {
  const { store } = await filledStore(t);
  for (let number = 0; number < 300; number += 1) await store.write(`${CURRENT}/file ${number}`, `${number}`);
  await store.close();
  const { catalog } = datastorePaths(store.folder);
  const bytes = readFileSync(catalog);
  let hits = 0;
  // Of names and of their index: it is the disagreement that a quick look does not see.
  for (let at = bytes.indexOf('file 17'); at >= 0; at = bytes.indexOf('file 17', at + 1)) {
    if (hits % 2 === 0) bytes.write('elif', at);
    hits += 1;
  }
  assert.ok(hits > 1);
  writeFileSync(catalog, bytes);
  await store.open();
  const { findings } = await runCare(t, store, 'check', { deep: true });
  const finding = findings.find(({ kind }) => kind === 'catalog-damaged');
  assert.match(finding?.advice ?? '', /--rebuild-catalog/);
  await store.abandon();
  assert.equal((await planRebuild(store.folder, false)).condition.kind, 'damaged');
});

test('a snapshot with a missing chunk gives no live tree, an older whole one does', async (t) => {
  const { store, time } = await filledStore(t);
  await store.write(`${CURRENT}/new`, OTHER);
  await store.live.packer.run();
  const second = await store.snapshot();
  const chunks = new Set((await chunksOf(store, `${CURRENT}/new`)).map((hex) => join('.chunks', hex.slice(0, 2), hex)));
  await store.close();
  loseCatalog(store);
  for (const path of chunks) rmSync(join(store.folder, path));
  const report = await rebuild(store, { useCopies: false });
  assert.equal(report.chunks.missing, chunks.size);
  const group = report.groups.find((made) => made.group === GROUP);
  assert.equal(group?.snapshot, time);
  assert.deepEqual(
    group?.passedOver.map(({ snapshot }) => snapshot),
    [second],
  );
  assert.deepEqual(report.lost.paths, [`${GROUP}/${second}/new`]);
});

/** The chunks of a live file, in hex. */
async function chunksOf(store: OpenStore, path: string): Promise<string[]> {
  const { node } = await store.find(path);
  const extents = [...store.datastore.catalog.extents.all(node.position)];
  return extents.flatMap((extent) => (extent.kind === 'chunk' ? [Buffer.from(extent.digest).toString('hex')] : []));
}
