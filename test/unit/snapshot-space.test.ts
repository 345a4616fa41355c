import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseGroupPath } from '../../src/core/group.js';
import { parseSnapshotTime } from '../../src/core/snapshot-time.js';
import { queryPrune, querySpace } from '../../src/daemon/query-thread.js';
import type { SpaceEntry, SpaceReport } from '../../src/snapshot/space/measure-space.js';
import { ofKind } from '../support/catalog.js';
import { collectInJob } from '../support/gc.js';
import { noise } from '../support/noise.js';
import { GROUP, OpenStore } from '../support/open-store.js';

const MIB = 1024 * 1024;

async function commit(store: OpenStore): Promise<void> {
  await store.live.contents.flushAll();
  await store.live.packer.run();
  await store.live.durability.commitDurably();
}

async function unlink(store: OpenStore, path: string): Promise<void> {
  const { node } = await store.find(path);
  const [parent, name] = await store.at(path);
  await store.vfs.names.unlink(parent, name);
  store.vfs.names.forget(node, Number.MAX_SAFE_INTEGER);
}

function entry(report: SpaceReport, kind: SpaceEntry['kind'], group = '', time: string | null = null): SpaceEntry {
  const found = report.entries.find((one) => one.kind === kind && one.group === group && one.time === time);
  assert.ok(found, `${kind} ${group} ${time}`);
  return found;
}

/** Bytes of all chunk files. */
function chunkBytes(store: OpenStore): number {
  const root = join(store.folder, '.chunks');
  let bytes = 0;
  for (const folder of readdirSync(root)) {
    for (const name of readdirSync(join(root, folder))) bytes += statSync(join(root, folder, name)).size;
  }
  return bytes;
}

test('space is told for the store, groups, live trees and snapshots, and what only one of them needs', async (t) => {
  const store = await OpenStore.make(t);
  await store.mkdir('host/y');
  await store.write(`${GROUP}/current/shared`, noise('shared', 3 * MIB));
  await store.write('host/y/current/shared', noise('shared', 3 * MIB));
  await store.write(`${GROUP}/current/first`, noise('first', 2 * MIB));
  const first = await store.snapshot();
  await unlink(store, `${GROUP}/current/first`);
  await store.write(`${GROUP}/current/second`, noise('second', MIB));
  const second = await store.snapshot();
  await commit(store);
  const report = await querySpace(store.folder);
  assert.deepEqual(
    report.entries.map(({ kind, group, time }) => [kind, group, time]),
    [
      ['store', '', null],
      ['group', GROUP, null],
      ['live', GROUP, null],
      ['snapshot', GROUP, first],
      ['snapshot', GROUP, second],
      ['group', 'host/y', null],
      ['live', 'host/y', null],
    ],
  );
  const about = (bytes: number, wanted: number) =>
    assert.ok(bytes >= wanted && bytes < wanted + 0.2 * MIB, `${bytes} is not about ${wanted}`);
  const live = entry(report, 'live', GROUP);
  assert.deepEqual([live.logicalBytes, live.uniqueBytes, live.exclusiveBytes], [4 * MIB, 4 * MIB, 0]);
  about(entry(report, 'snapshot', GROUP, first).exclusiveBytes, 2 * MIB);
  // Its data is in the live tree, too.
  about(entry(report, 'snapshot', GROUP, second).exclusiveBytes, 0);
  about(entry(report, 'snapshot', GROUP, first).uniqueBytes, 5 * MIB);
  const group = entry(report, 'group', GROUP);
  about(group.uniqueBytes, 6 * MIB);
  about(group.exclusiveBytes, 3 * MIB);
  assert.ok(group.logicalBytes > 13 * MIB);
  const other = entry(report, 'group', 'host/y');
  assert.deepEqual([other.uniqueBytes, other.exclusiveBytes], [3 * MIB, 0]);
  const all = entry(report, 'store');
  about(all.uniqueBytes, 6 * MIB);
  assert.equal(report.presentBytes, chunkBytes(store));
  assert.equal(report.unusedBytes, 0, 'standing chunks are no garbage');
  assert.deepEqual([report.quarantinedBytes, report.badChunks, report.unreadable], [0, 0, []]);
});

test('a plan says what pruning frees, and unfinished snapshots of others are in it', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(`${GROUP}/current/kept`, noise('kept', MIB));
  const times: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    await store.write(`${GROUP}/current/changing`, noise(name, MIB));
    // A hole's chunk is named by these snapshots alone, and stays all the same.
    await store.write(`${GROUP}/current/changing`, noise(name, 100), 3 * MIB);
    times.unshift(await store.snapshot());
  }
  await unlink(store, `${GROUP}/current/changing`);
  await commit(store);
  await collectInJob(store, 0);
  mkdirSync(join(store.folder, GROUP, '2020-01-01T00:00:00Z'));
  const plan = await queryPrune(store.folder, [{ group: parseGroupPath(GROUP), keep: { last: 1 } }]);
  assert.deepEqual(
    plan.groups.map(({ group, snapshots }) => [group, snapshots.map(({ time, reason }) => `${time} ${reason}`)]),
    [
      [
        GROUP,
        [`${times[0]} last`, `${times[1]} not covered`, `${times[2]} not covered`, '2020-01-01T00:00:00Z unfinished'],
      ],
    ],
  );
  assert.ok(plan.freedBytes >= 2 * MIB && plan.freedBytes < 2.2 * MIB, String(plan.freedBytes));
  for (const { exclusiveBytes, finished } of plan.groups[0]?.snapshots ?? []) {
    assert.ok(finished ? exclusiveBytes >= MIB && exclusiveBytes < 1.1 * MIB : exclusiveBytes === 0);
  }
  for (const time of times.slice(1)) await store.snapshots.forget(parseGroupPath(GROUP), parseSnapshotTime(time));
  assert.equal((await collectInJob(store, 0)).freed.bytes, plan.freedBytes);
  const nowhere = { group: parseGroupPath('vm/1'), keep: { last: 1 } };
  await assert.rejects(queryPrune(store.folder, [nowhere]), ofKind('not-found'));
});

test('an index file that nobody tracked is read, one that cannot be read is named', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(`${GROUP}/current/file`, noise('file', MIB));
  const time = await store.snapshot();
  const path = `${GROUP}/${time}/root.ppxar.didx`;
  const tracked = await querySpace(store.folder);
  store.datastore.catalog.indexFiles.remove(path);
  await commit(store);
  const { measuredAt: _, ...untracked } = await querySpace(store.folder);
  const { measuredAt: __, ...expected } = tracked;
  assert.deepEqual(untracked, expected);
  assert.ok(existsSync(join(store.folder, path)));
  writeFileSync(join(store.folder, path), 'broken');
  assert.deepEqual((await querySpace(store.folder)).unreadable, [path]);
});
