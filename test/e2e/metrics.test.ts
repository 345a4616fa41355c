import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';

const GROUP = 'host/m';

test('metrics tell what was written, collected, verified and scheduled', async () => {
  await withStore(
    async (store) => {
      const { metricsAddress } = store.status();
      const value = async (line: string): Promise<number> => {
        // A connection that is kept may be closed while a command blocks us here.
        const text = await (await fetch(`${metricsAddress}metrics`, { headers: { connection: 'close' } })).text();
        const found = text.split('\n').find((each) => each.startsWith(`${line} `));
        assert.ok(found, `there is no ${line}`);
        return Number(found.slice(line.length));
      };
      const current = join(store.mountpoint, GROUP, 'current');
      const data = noise('metrics', 3_000_000);
      writeFileSync(join(current, 'a'), data);
      writeFileSync(join(current, 'b'), data);
      store.cairn('sync');
      const created = await value('cairn_storage_chunk_operations_total{operation="create"}');
      assert.ok(created > 0);
      assert.ok(
        (await value('cairn_storage_chunk_dedupe_hits_total')) > 0,
        'the second file is made of the first one’s chunks',
      );
      assert.ok((await value('cairn_compression_bytes_in_total')) >= data.length);
      store.cairn('snapshot', 'create', GROUP);
      const withSnapshot = await value('cairn_storage_chunk_operations_total{operation="create"}');
      assert.ok(withSnapshot > created, 'the metadata of snapshots is in chunks, too');

      const present = await value('cairn_storage_chunks_total{state="present"}');
      store.cairn('snapshot', 'forget', `${GROUP}/latest`);
      for (const name of ['a', 'b']) rmSync(join(current, name));
      store.cairn('sync');
      store.cairn('gc', '--grace', '0');
      assert.equal(await value('cairn_gc_runs_total'), 1);
      const deleted = await value('cairn_storage_chunk_operations_total{operation="delete"}');
      assert.equal(await value('cairn_storage_chunks_total{state="present"}'), present - deleted);
      assert.ok((await value('cairn_gc_bytes_reclaimed_total')) >= data.length);

      store.cairn('schedule', 'run', 'verify');
      assert.ok((await value('cairn_verify_chunks_total')) > 0);
      assert.ok((await value('cairn_verify_oldest_timestamp_seconds')) > 0);
      assert.equal(await value('cairn_schedule_last_failed{job="verify",group=""}'), 0);
      assert.ok((await value('cairn_schedule_last_run_timestamp_seconds{job="verify",group=""}')) > 0);
      assert.ok((await value('cairn_requests_total{operation="CREATE"}')) >= 2);

      assert.match(store.cairn('metrics'), /^cairn_gc_runs_total 1$/m);
    },
    { groups: [GROUP], mount: ['--metrics', '0'] },
  );
});

test('metrics of a datastore nobody has mounted are refused in one line', async () => {
  await withStore(
    (store) => {
      const { status, stdout, stderr } = store.run(['metrics']);
      assert.deepEqual([status, stdout], [5, '']);
      assert.match(stderr, /^cairn: The datastore \S+ is not mounted\n$/);
    },
    { mount: false },
  );
});
