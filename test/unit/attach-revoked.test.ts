import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MemoryBackend } from '../../src/backend/memory/memory-backend.js';
import { fetchSnapshots } from '../../src/daemon/attach/fetch-snapshots.js';
import { revokedName } from '../../src/datastore/shared/machine-epochs.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const GROUP = 'host/web1';
const [COUNTS, REVOKED, UNFINISHED] = ['2024-01-01T00:00:00Z', '2024-01-02T00:00:00Z', '2024-01-03T00:00:00Z'];

test('attach fetches no snapshot that is revoked, and does not take its files for leftovers', async (t) => {
  const bucket = new MemoryBackend();
  const put = (name: string): Promise<void> => bucket.put(name, Buffer.from(name));
  await put(`${GROUP}/owner`);
  for (const time of [COUNTS, REVOKED, UNFINISHED]) await put(`${GROUP}/${time}/root.mpxar.didx`);
  for (const time of [COUNTS, REVOKED]) await put(`${GROUP}/${time}/index.json.blob`);
  // The second one was withdrawn before its put came there; of the third nothing came.
  for (const time of [REVOKED, UNFINISHED]) await put(revokedName(`${GROUP}/${time}/index.json.blob`));
  const folder = temporaryFolder(t);
  const caller = { progress: () => undefined, signal: new AbortController().signal };
  const { files, strays } = await fetchSnapshots(bucket, folder, caller);
  const wanted = [`${GROUP}/${COUNTS}/index.json.blob`, `${GROUP}/${COUNTS}/root.mpxar.didx`, `${GROUP}/owner`];
  assert.deepEqual([[...files].sort(), strays], [wanted, []]);
  assert.ok(existsSync(join(folder, GROUP, COUNTS)) && !existsSync(join(folder, GROUP, REVOKED)));
});
