import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import { CairnError, type ErrorKind, kindOf } from '../../src/core/errors.js';
import { silentLog } from '../../src/core/log.js';
import { GcService } from '../../src/daemon/gc-service.js';
import { chunksOnDisk, collectIn, collectInJob } from '../support/gc.js';
import { noise } from '../support/noise.js';
import { GROUP, OpenStore } from '../support/open-store.js';

const CURRENT = `${GROUP}/current`;
const PAYLOAD = 'root.ppxar.didx';

/** A store with one snapshot, of a file that is gone since, and garbage. */
async function storeToCollect(t: TestContext): Promise<{ store: OpenStore; snapshot: string; index: string }> {
  const store = await OpenStore.make(t);
  for (const name of ['kept', 'gone']) {
    await store.write(`${CURRENT}/${name}`, noise(name, 1_000_000));
    await store.live.contents.flushAll();
    if (name === 'kept') await store.snapshot();
    const [parent, entry] = await store.at(`${CURRENT}/${name}`);
    await store.vfs.names.unlink(parent, entry);
    store.tree.parts.orphans.dropAll();
    await store.live.durability.commitDurably();
  }
  const [snapshot] = (await store.names(GROUP)).filter((name) => /^\d/.test(name));
  const folder = join(store.folder, GROUP, snapshot!);
  return { store, snapshot: folder, index: join(folder, PAYLOAD) };
}

async function assertStops(store: OpenStore, why: RegExp, options = {}): Promise<void> {
  const before = chunksOnDisk(store.folder);
  await assert.rejects(collectIn(store, options), (error) => {
    assert.match(String(error), why);
    assert.match(String(error), /Nothing was removed/);
    return true;
  });
  const { plan } = await collectIn(store, { dryRun: true, ...options });
  assert.equal(plan.problemCount, 1, 'a dry run shows it');
  assert.match(plan.problems[0]!, why);
  assert.deepEqual(chunksOnDisk(store.folder), before);
}

const DAMAGE: readonly [string, (bytes: Buffer) => Buffer][] = [
  ['empty', () => Buffer.alloc(0)],
  ['cut off', (bytes) => bytes.subarray(0, bytes.length - 7)],
  ['of wrong magic', (bytes) => Buffer.concat([Buffer.from('not this'), bytes.subarray(8)])],
  ['of another checksum', (bytes) => Buffer.concat([bytes.subarray(0, 40), Buffer.from('X'), bytes.subarray(41)])],
];

for (const [how, damage] of DAMAGE) {
  test(`an index file that is ${how} stops a collection`, async (t) => {
    const { store, index } = await storeToCollect(t);
    const bytes = readFileSync(index);
    writeFileSync(index, damage(bytes));
    await assertStops(store, /root\.ppxar\.didx.*restore the file, or forget its snapshot/);
    writeFileSync(index, bytes);
    assert.ok((await collectIn(store)).removed.chunks > 0);
  });
}

test('an unreadable index file stops a collection wherever it lies', async (t) => {
  const { store } = await storeToCollect(t);
  mkdirSync(join(store.folder, 'pins/other'), { recursive: true });
  writeFileSync(join(store.folder, 'pins/other/live.didx'), 'unfinished');
  await assertStops(store, /pins\/other\/live\.didx/);
});

test('a recorded index file that no listing shows, and that is there, stops a collection', async (t) => {
  const { store, index } = await storeToCollect(t);
  mkdirSync(join(store.folder, '.hidden'));
  copyFileSync(index, join(store.folder, '.hidden/live.didx'));
  const { indexFiles } = store.datastore.catalog;
  const recorded = indexFiles.list('', 10).find(({ path }) => path.endsWith(PAYLOAD));
  indexFiles.put({ ...recorded!, path: '.hidden/live.didx' }, indexFiles.gather());
  await assertStops(store, /A listing left out .*\.hidden\/live\.didx/);
});

test('a folder that cannot be listed to its end stops a collection', async (t) => {
  const { store } = await storeToCollect(t);
  symlinkSync('.', join(store.folder, 'host/circle'));
  await assertStops(store, /too deep/);
});

test('a name that is no text stops a collection', async (t) => {
  const { store } = await storeToCollect(t);
  mkdirSync(Buffer.concat([Buffer.from(`${store.folder}/vm/`), Buffer.from([0xff, 0xfe])]), { recursive: true });
  await assertStops(store, /not UTF-8/);
});

test('a clock that jumps, and one that stands before the last collection, stop it', async (t) => {
  const { store } = await storeToCollect(t);
  const now = Date.now() / 1000;
  await assertStops(store, /before the end of the last collection/, { lastEndedAt: now + 1000 });
  for (const step of [-3600, 3600]) {
    let looks = 0;
    const clocks = { wallSeconds: () => now + (looks++ > 1 ? step : 0), steadySeconds: () => 5 };
    await assert.rejects(collectIn(store, { clocks }), /The clock jumped by -?3600 s/);
  }
});

test('a recorded set that is damaged is made again, never taken as empty', async (t) => {
  const { store } = await storeToCollect(t);
  await store.close();
  const database = new Database(store.datastore.paths.catalog);
  database.exec("UPDATE index_files SET set_checksum = zeroblob(32) WHERE path LIKE '%ppxar%'");
  database.close();
  await store.open();
  const first = await collectIn(store);
  assert.equal(first.plan.indexFilesRead, 1);
  assert.equal(store.datastore.catalog.sets.union().kind, 'whole');
  const [snapshot] = (await store.names(GROUP)).filter((name) => /^\d/.test(name));
  assert.deepEqual(await store.read(`${GROUP}/${snapshot}/kept`), noise('kept', 1_000_000));
});

test('a full collection finds and mends sets that are not what their file says', async (t) => {
  const { store } = await storeToCollect(t);
  const { indexFiles } = store.datastore.catalog;
  const file = indexFiles.list('', 10).find(({ path }) => path.endsWith(PAYLOAD))!;
  indexFiles.put(file, indexFiles.gather());
  const { plan } = await collectIn(store, { full: true });
  assert.equal(plan.differences.length, 1);
  assert.equal(plan.differences[0]?.path, file.path);
  assert.ok(plan.differences[0]!.missing > 0);
  assert.equal(plan.differences[0]?.surplus, 0);
  assert.deepEqual((await collectIn(store, { full: true })).plan.differences, []);
  const [snapshot] = (await store.names(GROUP)).filter((name) => /^\d/.test(name));
  assert.deepEqual(await store.read(`${GROUP}/${snapshot}/kept`), noise('kept', 1_000_000));
});

test('a collection that is given up has harmed nothing, and the next one does the rest', async (t) => {
  const { store } = await storeToCollect(t);
  for (let steps = 1; ; steps++) {
    let left = steps;
    const goOn = (): void => {
      left -= 1;
      if (left < 0) throw new CairnError('interrupted', 'Given up');
    };
    const ended = await collectIn(store, { goOn }).then(
      () => 'done',
      (error: unknown) => kindOf(error),
    );
    if (ended === 'done') break;
    assert.equal(ended, 'interrupted');
  }
  assert.equal((await collectIn(store)).removed.chunks, 0);
  const [snapshot] = (await store.names(GROUP)).filter((name) => /^\d/.test(name));
  assert.deepEqual(await store.read(`${GROUP}/${snapshot}/kept`), noise('kept', 1_000_000));
});

test('the last outcome is remembered, and one collection runs at a time', async (t) => {
  const { store, index } = await storeToCollect(t);
  const report = await collectInJob(store);
  const context = { progress: () => undefined, signal: new AbortController().signal };
  const service = new GcService(store.datastore, store.live, silentLog);
  await service.load();
  const status = service.status();
  assert.deepEqual(status.last?.report?.removed, report.removed);
  assert.deepEqual(status.quarantined, report.removed);
  assert.deepEqual(service.problems(), []);
  const request = { dryRun: false, full: false, graceSeconds: null };
  const first = service.run(request, context);
  await assert.rejects(service.run(request, context), isKind('busy'));
  await first;
  writeFileSync(index, '');
  await assert.rejects(service.run(request, context), isKind('not-ready'));
  assert.match(service.problems()[0]!.message, /root\.ppxar\.didx/);
  const undone = await service.undelete(null, context);
  assert.deepEqual(undone, { restored: report.removed.chunks, missing: 0 });
  assert.deepEqual(service.status().quarantined, { chunks: 0, bytes: 0 });
  assert.deepEqual(await service.undelete(['00'.repeat(32)], context), { restored: 0, missing: 1 });
});

test('the end of a mount gives up a collection that has not begun to remove, whatever that waits for', async (t) => {
  const { store } = await storeToCollect(t);
  const before = chunksOnDisk(store.folder);
  const service = new GcService(store.datastore, store.live, silentLog);
  const waits = new Promise<void>((begun) => {
    service.onBegin(async ({ progress, signal }) => {
      progress({ step: 'uploading', done: 0, unit: 'items' });
      begun();
      await once(signal, 'abort');
      throw new CairnError('interrupted', 'Given up');
    });
  });
  const context = { progress: () => undefined, signal: new AbortController().signal };
  const run = assert.rejects(
    service.run({ dryRun: false, full: false, graceSeconds: null }, context),
    isKind('interrupted'),
  );
  await waits;
  assert.equal(service.status().step, 'uploading');
  await service.end();
  await run;
  assert.deepEqual(chunksOnDisk(store.folder), before);
});

test('nothing is collected while another process writes to the datastore', async (t) => {
  const { store } = await storeToCollect(t);
  const code =
    'import fcntl, sys; f = open(sys.argv[1]); fcntl.lockf(f, fcntl.LOCK_SH); print("locked", flush=True); sys.stdin.read()';
  const other = spawn('python3', ['-c', code, store.datastore.paths.pbsLock], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(other.stdout, 'data');
  try {
    await assert.rejects(collectInJob(store), isKind('busy'));
  } finally {
    other.stdin.end();
    await once(other, 'exit');
  }
  assert.ok((await collectInJob(store)).removed.chunks > 0);
});

function isKind(kind: ErrorKind): (error: unknown) => boolean {
  return (error) => kindOf(error) === kind;
}
