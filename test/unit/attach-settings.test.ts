import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { MemoryBackend } from '../../src/backend/memory/memory-backend.js';
import { fetchPoint, listPoints } from '../../src/daemon/attach/fetch-point.js';
import {
  formatPoint,
  POINT_FILE,
  pointFolder,
  type RecoveryPoint,
} from '../../src/daemon/recovery-points/recovery-point.js';
import { datastorePaths } from '../../src/datastore/paths.js';
import { readSettings, type Settings } from '../../src/datastore/settings.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const NONE: Settings = { schedules: {}, prune: {}, onFailure: null };

/** What a folder has after it was attached to an object store whose recovery point has these settings. */
async function attached(
  t: TestContext,
  settings: unknown,
): Promise<{ settings: Settings; leftOut: readonly string[] }> {
  const [remote, paths] = [new MemoryBackend(), datastorePaths(temporaryFolder(t))];
  mkdirSync(paths.own);
  const point: RecoveryPoint = {
    ...{ format: 1, machine: 'a'.repeat(16), host: 'web', madeAt: 1_700_000_000, appliedSequence: 7 },
    ...{ catalog: { parts: [], bytes: 0 }, journal: [], pin: null, settings },
  };
  await remote.put(`${pointFolder(point)}/${POINT_FILE}`, formatPoint(point));
  const { point: fetched, leftOut } = await fetchPoint(remote, paths, await listPoints(remote));
  assert.equal(fetched?.machine, point.machine);
  return { settings: readSettings(paths), leftOut };
}

test('attach takes schedules and policies over, and no command to run', async (t) => {
  const own = { schedules: { gc: 'weekly', 'snapshot host/x': 'hourly' }, prune: { 'host/x': { last: 3 } } };
  assert.deepEqual(await attached(t, { ...own, onFailure: null }), { settings: { ...NONE, ...own }, leftOut: [] });
  const { settings, leftOut } = await attached(t, { ...own, onFailure: 'touch /pwned', hook: 'touch /pwned' });
  assert.deepEqual(settings, { ...NONE, ...own });
  assert.equal(leftOut.length, 1);
  assert.match(leftOut[0]!, /cairn schedule on-failure/);
});

for (const [what, settings] of Object.entries({
  'no settings at all': 'nonsense',
  'a schedule that is no text': { schedules: { gc: 7 } },
  'a schedule that is no time': { schedules: { gc: 'now and then' } },
  'a job nobody knows': { schedules: { 'rm -rf': 'daily' } },
  'a policy of what is no group': { prune: { '../..': { last: 1 } } },
  'a policy that makes no sense': { prune: { 'host/x': { last: -1 } } },
})) {
  test(`attach leaves ${what} in a recovery point out, and says so`, async (t) => {
    const { settings: taken, leftOut } = await attached(t, settings);
    assert.deepEqual(taken, NONE);
    assert.equal(leftOut.length, 1);
    assert.match(leftOut[0]!, /^Schedules and policies are not taken over: /);
  });
}

test('attach goes by the defaults where a recovery point has no settings', async (t) => {
  assert.deepEqual(await attached(t, null), { settings: NONE, leftOut: [] });
});
