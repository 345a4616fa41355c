import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseQuarantineName, quarantineName } from '../../src/chunkstore/layout.js';
import type { GcReport } from '../../src/control/gc-commands.js';
import { parseGroupPath } from '../../src/core/group.js';
import { silentLog } from '../../src/core/log.js';
import { parseSnapshotTime } from '../../src/core/snapshot-time.js';
import { GcService } from '../../src/daemon/gc-service.js';
import { clockWasSet } from '../../src/maintenance/gc/clock-reading.js';
import { collectIn, HOUR } from '../support/gc.js';
import { noise } from '../support/noise.js';
import { GROUP, OpenStore } from '../support/open-store.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const CURRENT = `${GROUP}/current`;
const DAY = 24 * HOUR;
const NOTHING = { chunks: 0, bytes: 0 };

/** A store in which the chunks of one file are garbage. */
async function storeWithGarbage(t: TestContext): Promise<OpenStore> {
  const store = await OpenStore.make(t);
  await store.write(`${CURRENT}/gone`, noise('gone', 1_000_000));
  await store.live.contents.flushAll();
  await store.live.packer.run();
  await removed(store, 'gone');
  return store;
}

function quarantined(store: OpenStore): { name: string; since: number }[] {
  const names = readdirSync(join(store.folder, '.cairn/quarantine'), { recursive: true }).map((name) => `${name}`);
  return names.flatMap((name) => {
    const parsed = parseQuarantineName(`.cairn/quarantine/${name}`);
    return parsed === undefined ? [] : [{ name: `.cairn/quarantine/${name}`, since: parsed.since }];
  });
}

/** A process that collects. */
async function collector(
  store: OpenStore,
  service = new GcService(store.datastore, store.live, silentLog),
): Promise<(graceSeconds?: number) => Promise<GcReport>> {
  await service.load();
  const context = { progress: () => undefined, signal: new AbortController().signal };
  return (graceSeconds = DAY) => service.run({ dryRun: false, full: false, graceSeconds }, context);
}

test('what is quarantined bears the time as the wall clock has it at that moment', async (t) => {
  const store = await storeWithGarbage(t);
  const seconds = Math.floor(Date.now() / 1000) + 1000 * HOUR;
  await collectIn(store, { clocks: { wallSeconds: () => seconds + 0.5, steadySeconds: () => 5 } });
  const found = quarantined(store);
  assert.ok(found.length > 0);
  for (const { since } of found) assert.equal(since, seconds);
});

test('a clock that was set two days ahead does not end a grace period of one', async (t) => {
  const store = await storeWithGarbage(t);
  await (await collector(store))();
  // As if all of that had been two days before by the clock, and a moment before in truth.
  for (const { name, since } of quarantined(store)) {
    const { digest } = parseQuarantineName(name)!;
    renameSync(join(store.folder, name), join(store.folder, quarantineName(digest, since - 2 * DAY)));
  }
  const path = store.datastore.paths.gcRecord;
  const record = JSON.parse(readFileSync(path, 'utf8'));
  const setBack = { ...record, clock: { ...record.clock, wallSeconds: record.clock.wallSeconds - 2 * DAY } };
  writeFileSync(path, JSON.stringify(setBack));
  for (const process of ['that notices it', 'that starts later']) {
    const collect = await collector(store);
    const { plan, freed } = await collect();
    assert.deepEqual([plan.expired, freed], [NOTHING, NOTHING], `a process ${process}`);
    assert.ok(plan.quarantined.chunks > 0);
  }
  writeFileSync(path, JSON.stringify({ ...record, clockSetAt: 0 }));
  const { freed } = await (await collector(store))();
  assert.ok(freed.chunks > 0, 'two days that have passed do end it');
});

test('whether a clock was set is told by the uptime of the same run of the machine', () => {
  const before = { bootId: 'a', upSeconds: 100, wallSeconds: 5000 };
  assert.equal(clockWasSet(undefined, before), false);
  assert.equal(clockWasSet(before, { bootId: 'a', upSeconds: 1100, wallSeconds: 6030 }), false);
  assert.equal(clockWasSet(before, { bootId: 'a', upSeconds: 1100, wallSeconds: 6100 }), true);
  assert.equal(clockWasSet(before, { bootId: 'a', upSeconds: 1100, wallSeconds: 5900 }), true);
  assert.equal(clockWasSet(before, { bootId: 'b', upSeconds: 10, wallSeconds: 99_000 }), false);
});

test('the quarantine is looked through only where something in it may be due', async (t) => {
  const store = await storeWithGarbage(t);
  const { removed, left } = await collectIn(store);
  assert.ok(left !== null);
  assert.deepEqual({ chunks: left.chunks, bytes: left.bytes }, removed);
  const believed = { ...left, chunks: 7, bytes: 70 };
  const second = await collectIn(store, { quarantine: believed });
  assert.deepEqual([second.plan.quarantined, second.left], [{ chunks: 7, bytes: 70 }, believed]);
  const due = await collectIn(store, { quarantine: { ...believed, since: 1 } });
  assert.deepEqual(due.plan.quarantined, removed);
  const emptied = await collectIn(store, { graceSeconds: 0, quarantine: believed });
  assert.deepEqual([emptied.freed, emptied.left?.chunks], [removed, 0]);
});

test('a process that collects again sees what was brought back meanwhile', async (t) => {
  const store = await storeWithGarbage(t);
  const service = new GcService(store.datastore, store.live, silentLog);
  const context = { progress: () => undefined, signal: new AbortController().signal };
  const collect = () => service.run({ dryRun: false, full: false, graceSeconds: DAY }, context);
  const { removed } = await collect();
  assert.ok(removed.chunks > 0);
  assert.deepEqual((await collect()).plan.quarantined, removed);
  assert.equal((await service.undelete(null, context)).restored, removed.chunks);
  const { plan } = await collect();
  assert.deepEqual([plan.quarantined, plan.unreferenced], [NOTHING, removed]);
});

test('a damaged chunk in quarantine that a snapshot names again is told of, and all else is collected', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(`${CURRENT}/named`, noise('named', 1_500_000));
  await store.live.packer.run();
  const time = await store.snapshot();
  const [snapshot, saved] = [join(store.folder, GROUP, time), join(temporaryFolder(t), 'saved')];
  cpSync(snapshot, saved, { recursive: true });
  await removed(store, 'named');
  await store.snapshots.forget(parseGroupPath(GROUP), parseSnapshotTime(time));
  const service = new GcService(store.datastore, store.live, silentLog);
  const collect = await collector(store, service);
  await collect();
  cpSync(saved, snapshot, { recursive: true });
  const [hex, bytes] = spoilLargest(store);
  await store.write(`${CURRENT}/gone`, noise('gone', 1_500_000));
  await store.live.packer.run();
  await removed(store, 'gone');
  const report = await collect();
  assert.deepEqual(report.removed, report.plan.unreferenced);
  assert.ok(report.removed.bytes > 1_500_000);
  assert.equal(report.problemCount, 1);
  assert.match(report.problems[0] ?? '', new RegExp(`^Chunk ${hex} cannot be brought back .*"cairn repair"`));
  assert.deepEqual(
    service.problems().map(({ kind }) => kind),
    ['gc'],
  );
  const known = store.datastore.catalog.chunks.find(Buffer.from(hex, 'hex'));
  assert.deepEqual([known?.state, known?.stored], ['bad', bytes]);
  assert.equal((await collect(0)).problemCount, 1, 'and stays to be told of');
});

/** Damages the largest chunk in quarantine. @returns its digest and its length */
function spoilLargest(store: OpenStore): [string, number] {
  const files = quarantined(store).map(({ name }) => join(store.folder, name));
  const [largest = ''] = files.sort((a, b) => statSync(b).size - statSync(a).size);
  const bytes = readFileSync(largest);
  bytes[50_000] = (bytes[50_000] as number) ^ 1;
  writeFileSync(largest, bytes);
  return [basename(largest).slice(0, 64), bytes.length];
}

async function removed(store: OpenStore, file: string): Promise<void> {
  const [parent, name] = await store.at(`${CURRENT}/${file}`);
  await store.vfs.names.unlink(parent, name);
  store.tree.parts.orphans.dropAll();
  await store.live.durability.commitDurably();
}
