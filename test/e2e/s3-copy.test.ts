import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { S3Settings } from '../../src/backend/s3/s3-settings.js';
import type { Copied } from '../../src/control/copy-commands.js';
import { openLibrary } from '../../src/library/open-library.js';
import { chunkFiles } from '../support/check-chunks.js';
import { assertSameTree } from '../support/compare-trees.js';
import { TestStore, withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';
import { NO_S3, namesIn, s3Server } from '../support/s3-server.js';

const GROUP = 'host/web1';
const KEPT = noise('kept', 600_000);
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
      const library = await openLibrary(remote.store);
      await library.putObject('kept', KEPT);
      await library.close();
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
      await fromBucketAlone(at('alone'), { bucket, store: name, endpoint }, `${GROUP}/${time}`);
    },
    { groups: [GROUP] },
  );
});

/** Without a folder in front of it: nothing is left of what stood for it, and nothing was put there. */
async function fromBucketAlone(target: TestStore, s3: S3Settings, snapshot: string): Promise<void> {
  const before = await namesIn(s3, '');
  const temporary = join(target.folder, 'tmp');
  mkdirSync(temporary);
  target.cairn('init', target.store);
  await target.mount();
  target.environment = { TMPDIR: temporary };
  const from = (address: string, ...args: string[]): string[] => [
    ...['copy', '--json', '--from', address, '--endpoint', s3.endpoint ?? '', ...args],
  ];
  const address = `s3://${s3.bucket}/${s3.store}`;
  const copy = (...args: string[]): Copied => JSON.parse(target.cairn(...from(address, ...args))) as Copied;
  assert.match(target.run(from(`${address}x`)).stderr, /holds no datastore of cairn/);
  const one = copy('objects/kept');
  assert.deepEqual([one.snapshots, one.objects.copied], [[], 1]);
  assert.deepEqual(readFileSync(join(target.mountpoint, '.objects/kept')), KEPT);
  const all = copy();
  assert.deepEqual([all.snapshots.map(({ state }) => state), all.objects.there], [['copied'], 1]);
  assert.match(target.cairn('verify', snapshot), /./);
  await target.umount();
  assert.deepEqual([readdirSync(temporary), await namesIn(s3, '')], [[], before]);
}
