import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { S3Backend } from '../../src/backend/s3/s3-backend.js';
import type { S3Settings } from '../../src/backend/s3/s3-settings.js';
import { openCatalogReader } from '../../src/catalog/open-reader.js';
import { digestHex } from '../../src/core/digest.js';
import { outputLater, outputOf } from '../support/commands.js';
import { assertSameTree } from '../support/compare-trees.js';
import { MAIN, TestStore, withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';
import { S3Proxy } from '../support/s3-proxy.js';
import { NO_S3, namesIn, type S3Server, s3Server } from '../support/s3-server.js';

const GROUP = 'host/web1';
const EXIT_FAILED = 1;
const EXIT_BUSY = 4;
/** What a mount puts again and again, whatever else it does. */
const SIGN_OF_LIFE = /\/beat\?/;
const server = await s3Server();

function s3Test(name: string, body: (server: S3Server) => Promise<void>): void {
  if (server === undefined) test(name, { skip: NO_S3 }, () => undefined);
  else test(name, () => body(server));
}

function addressOf({ bucket, store }: S3Settings): string {
  return `s3://${bucket}/${store}`;
}

function initOptions({ bucket, store, endpoint = '' }: S3Settings): string[] {
  return ['--s3', bucket, '--s3-store', store, '--endpoint', endpoint];
}

const currentOf = (store: TestStore, group = GROUP): string => join(store.mountpoint, group, 'current');

function fill(folder: string, seed: string): void {
  mkdirSync(join(folder, 'deep', 'er'), { recursive: true });
  for (let n = 0; n < 150; n++) writeFileSync(join(folder, 'deep', `small-${n}`), noise(`${seed} ${n}`, 300 + n * 31));
  writeFileSync(join(folder, 'deep', 'er', 'large'), noise(seed, 5_000_000));
  writeFileSync(join(folder, 'empty'), '');
  // rsync takes times of the same second for the same.
  outputOf('find', [folder, '-exec', 'touch', '-hd', '2024-01-02T03:04:05.123456789', '{}', '+']);
}

/** Some of what is new is in no chunk yet when the mount ends soon. */
function change(folder: string): void {
  for (let n = 0; n < 20; n++) writeFileSync(join(folder, `late-${n}`), noise(`late ${n}`, 2000 + n));
  appendFileSync(join(folder, 'deep', 'er', 'large'), noise('more', 70_000));
  renameSync(join(folder, 'deep', 'small-7'), join(folder, 'seven'));
  for (const changed of [folder, join(folder, 'deep')]) utimesSync(changed, 1_700_000_000, 1_700_000_000);
}

const copy = (from: string, to: string): string => outputOf('rsync', ['-aHAX', '--delete', `${from}/`, `${to}/`]);

/** As the recovery point has it: chunks that were made after it are made anew out of the journal. */
function chunksKnownIn(store: string): string[] {
  const catalog = openCatalogReader(join(store, '.cairn/catalog.db'));
  try {
    return catalog.chunks.list(Buffer.alloc(0), 1000).map(({ digest }) => digestHex(digest));
  } finally {
    catalog.close();
  }
}

s3Test(
  'the folder is lost: attach brings back snapshots, live trees as of the last unmount, and settings, and fetches lazily',
  async ({ endpoint, newStore }) => {
    const settings = newStore();
    const proxy = await S3Proxy.open(endpoint);
    try {
      await withStore(
        async (store) => {
          const [first, last] = [join(store.folder, 'first'), join(store.folder, 'last')];
          fill(first, 'first');
          copy(first, currentOf(store));
          const { time } = JSON.parse(store.cairn('snapshot', 'create', '--json', GROUP)) as { time: string };
          store.cairn('snapshot', 'protect', `${GROUP}/${time}`);
          store.cairn('policy', 'set', GROUP, '--keep-last', '7');
          copy(first, last);
          change(last);
          copy(last, currentOf(store));
          await store.umount();
          assert.equal((await namesIn(settings, 'pins')).length, 1);
          assert.deepEqual(await namesIn(settings, '.cairn/machines'), []);

          rmSync(store.store, { recursive: true });
          const args = ['attach', addressOf(settings), store.store, '--endpoint', proxy.endpoint];
          const said = await outputLater(process.execPath, [MAIN, ...args]);
          assert.match(said, /host\/web1\/current: as copied/);
          assert.deepEqual(chunksAskedFor(proxy), [], 'no chunk is fetched');
          const known = chunksKnownIn(store.store);
          await store.mount();
          proxy.takeSeen();
          await outputLater('ls', ['-lR', currentOf(store)]);
          assert.deepEqual(chunksAskedFor(proxy), [], 'the live tree is in the catalog');
          await outputLater('ls', ['-lR', join(store.mountpoint, GROUP, time)]);
          const read = chunksAskedFor(proxy).length;
          assert.ok(read > 0 && read < 8, `${read} chunks of metadata`);
          assert.equal(existsSync(join(store.mountpoint, GROUP, 'latest', 'deep', 'small-7')), true);
          await outputLater('rsync', ['-aHAX', `${currentOf(store)}/`, join(store.folder, 'back')]);
          assertSameTree(last, join(store.folder, 'back'));
          await outputLater('rsync', ['-aHAX', `${join(store.mountpoint, GROUP, time)}/`, join(store.folder, 'old')]);
          assertSameTree(first, join(store.folder, 'old'));
          assert.match(store.cairn('policy', 'show'), /7/);
          assert.match(store.run(['snapshot', 'forget', `${GROUP}/${time}`]).stderr, /is protected/);
          // Nothing is uploaded a second time, and nothing is asked for chunk by chunk. What was in no chunk yet becomes one.
          proxy.takeSeen();
          const cairn = (...given: string[]) =>
            outputLater(process.execPath, [MAIN, ...given, '--store', store.store], { limitMilliseconds: 60_000 });
          await cairn('sync');
          const isNew = (path: string) => path.includes('/.chunks/') && !known.some((digest) => path.includes(digest));
          const needless = proxy
            .takeSeen()
            .filter(({ method, path }) => method === 'HEAD' || (method === 'PUT' && !isNew(path)))
            .filter(({ path }) => !SIGN_OF_LIFE.test(path));
          assert.deepEqual(needless, []);
          await cairn('check');
          await cairn('gc', '--grace', '0');
          await cairn('verify');
          await store.umount('signal');
        },
        { init: initOptions(settings), groups: [GROUP] },
      );
    } finally {
      await proxy.down();
    }
  },
);

function chunksAskedFor(proxy: S3Proxy): string[] {
  return proxy
    .takeSeen()
    .filter(({ path }) => /^[^?]*\/\.chunks\//.test(path))
    .map(({ path }) => path);
}

s3Test(
  'without a recovery point live trees are as in the newest snapshot; damaged points are passed over; a second folder joins',
  async ({ newStore }) => {
    const settings = newStore();
    await withStore(
      async (store) => {
        const [first, second] = [join(store.folder, 'first'), join(store.folder, 'second')];
        fill(first, 'one');
        copy(first, currentOf(store));
        store.cairn('snapshot', 'create', GROUP);
        store.cairn('sync');
        while ((await namesIn(settings, '.cairn/machines')).length === 0);
        await store.kill9();
        rmSync(store.store, { recursive: true });
        const endpoint = ['--endpoint', settings.endpoint ?? ''];
        const busy = store.run(['attach', addressOf(settings), store.store, ...endpoint]);
        assert.equal(busy.status, EXIT_BUSY);
        assert.match(busy.stderr, /is mounted on .*: unmount it there, or take over with --take-over/);
        assert.match(
          store.cairn('attach', addressOf(settings), store.store, '--take-over', ...endpoint),
          /current: as in the snapshot/,
        );
        const again = store.run(['attach', addressOf(settings), store.store, ...endpoint]);
        assert.equal(again.status, EXIT_FAILED);
        assert.match(again.stderr, /is a datastore already/);
        await store.mount();
        assertSameTree(first, currentOf(store));
        fill(second, 'two');
        copy(second, currentOf(store));
        await store.umount();
        // The newest point is torn: the one before would do, but a newer snapshot is better; here there is none of either.
        const points = await namesIn(settings, '.cairn/recovery-points');
        const backend = new S3Backend(settings);
        const torn = points.find((name) => name.endsWith('/catalog-0')) ?? '';
        await backend.put(torn, (await backend.get(torn)).subarray(1));
        backend.close();
        mkdirSync(join(store.folder, 'other'));
        const other = new TestStore(join(store.folder, 'other'));
        const joined = other.cairn('attach', addressOf(settings), other.store, '--join', ...endpoint);
        assert.match(joined, /1 snapshots\n$/);
        rmSync(store.store, { recursive: true });
        const said = store.cairn('attach', addressOf(settings), store.store, ...endpoint);
        assert.match(said, /A recovery point cannot be used/);
        assert.match(said, /current: as in the snapshot/);
        await store.mount();
        assertSameTree(first, currentOf(store));
      },
      { init: initOptions(settings), groups: [GROUP] },
    );
  },
);

s3Test('what cannot be attached is refused with a reason, and leaves nothing', async ({ newStore }) => {
  const settings = newStore();
  await withStore(
    async (store) => {
      const refused = (args: readonly string[], text: RegExp) => {
        const target = join(store.folder, 'other');
        const { status, stderr } = store.run(['attach', ...args, '--endpoint', settings.endpoint ?? '', target]);
        assert.notEqual(status, 0);
        assert.match(stderr, text);
        assert.equal(existsSync(target), false);
      };
      refused(['nonsense'], /Not the address of a datastore: nonsense/);
      refused([addressOf(settings)], /holds no datastore of cairn/);
      store.cairn('init', ...initOptions(settings), join(store.folder, 'first'));
      refused([addressOf(settings), '--machine', '0123456789abcdef'], /has no recovery point of the machine/);
      refused([addressOf(settings), '--machine', '0123456789abcdef', '--join'], /not both/);
    },
    { mount: false },
  );
});
