import assert from 'node:assert/strict';
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Copied } from '../../src/control/copy-commands.js';
import { chunkFiles } from '../support/check-chunks.js';
import { assertSameTree } from '../support/compare-trees.js';
import { TestStore, withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';
import { NO_S3, s3Server } from '../support/s3-server.js';

const GROUP = 'host/web1';
const server = await s3Server();
const skip = server === undefined ? NO_S3 : false;

test('to a bucket and back: from one that is only in the bucket nothing is kept in the folder before it', {
  skip,
}, async () => {
  const { bucket, store: name, endpoint = '' } = server?.newStore() ?? { bucket: '', store: '' };
  await withStore(
    async (local) => {
      const current = join(local.mountpoint, GROUP, 'current');
      for (let n = 0; n < 30; n += 1) writeFileSync(join(current, `small-${n}`), noise(`${n}`, 500 + n * 41));
      writeFileSync(join(current, 'large'), noise('large', 3_000_000));
      const { time } = JSON.parse(local.cairn('snapshot', 'create', '--json', GROUP)) as { time: string };
      const at = (place: string): TestStore => {
        mkdirSync(join(local.folder, place));
        return new TestStore(join(local.folder, place));
      };
      const [remote, back] = [at('remote'), at('back')];
      remote.cairn('init', '--s3', bucket, '--s3-store', name, '--endpoint', endpoint, remote.store);
      await remote.mount();
      local.cairn('copy', '--to', remote.store);
      remote.cairn('sync');
      await remote.umount();
      rmSync(remote.store, { recursive: true });
      remote.cairn('attach', `s3://${bucket}/${name}`, remote.store, '--endpoint', endpoint);
      const takenBy = (): number => chunkFiles(remote.store).reduce((sum, path) => sum + statSync(path).blocks, 0);
      const before = takenBy();
      back.cairn('init', back.store);
      const copied = JSON.parse(back.cairn('copy', '--json', '--from', remote.store)) as Copied;
      assert.deepEqual(
        copied.snapshots.map(({ group, time: own, state }) => [group, own, state]),
        [[GROUP, time, 'copied']],
      );
      assert.equal(takenBy(), before);
      await back.mount();
      assertSameTree(join(local.mountpoint, GROUP, time), join(back.mountpoint, GROUP, time));
      await back.umount();
    },
    { groups: [GROUP] },
  );
});
