import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MARK_NAME } from '../../src/backend/spread/mark.js';
import { unmountedStatus } from '../../src/daemon/unmounted-status.js';
import { MembersLook } from '../../src/datastore/members-look.js';
import { runCare } from '../support/care.js';
import { OpenStore } from '../support/open-store.js';
import { MemorySpread } from '../support/spread.js';

for (const [count, redundancy] of [
  [2, 'mirror:2'],
  [3, 'ec:2+1'],
] as const) {
  test(`a backend that is not there is told of though nothing was read: ${redundancy}`, async (t) => {
    const { store, disks } = await OpenStore.spread(t, count, redundancy);
    await store.close();
    assert.deepEqual((await unmountedStatus(store.folder)).problems, []);
    renameSync(join(disks, 'd1'), join(disks, 'away'));
    const [problem, ...others] = (await unmountedStatus(store.folder)).problems;
    assert.deepEqual([problem?.kind, others], ['backend-failing', []]);
    assert.match(problem?.message ?? '', /^Backend d1 is failing, .*is the disk mounted\?$/);
    await store.open();
    const { findings } = await runCare(t, store, 'check', { deep: true });
    assert.deepEqual(
      findings.map(({ severity, kind, path }) => [severity, kind, path]),
      [['damage', 'backend-missing', 'backend d1']],
    );
  });
}

test('nobody waits long for a backend that owes an answer', async () => {
  const spread = await MemorySpread.open(3, 'mirror:2');
  let answer: () => void = () => undefined;
  const [, second] = spread.stores;
  assert.ok(second);
  const asked = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const get = second.get.bind(second);
  second.get = async (name) => {
    await asked;
    return get(name);
  };
  const { members } = spread.backend;
  const look = new MembersLook(members, 10);
  assert.deepEqual(look.missing, []);
  await look.done;
  assert.deepEqual(look.missing, [{ id: 'd1', reason: 'it has not answered for 0.01 s' }]);
  answer();
  await Promise.all(members.all.map((member) => member.prove()));
  assert.deepEqual(look.missing, []);
});

test('a backend that fails later is told of, too', async () => {
  const spread = await MemorySpread.open(2, 'mirror:2');
  const { members } = spread.backend;
  const look = new MembersLook(members);
  await look.done;
  assert.deepEqual(look.missing, []);
  const [, second] = spread.stores;
  assert.ok(second);
  await second.removeAll([MARK_NAME]);
  const [, member] = members.all;
  await assert.rejects(member?.prove() ?? Promise.resolve());
  assert.deepEqual(
    look.missing.map(({ id }) => id),
    ['d1'],
  );
});
