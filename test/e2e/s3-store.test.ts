import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { S3Backend } from '../../src/backend/s3/s3-backend.js';
import type { S3Settings } from '../../src/backend/s3/s3-settings.js';
import type { UploadStatus } from '../../src/control/upload-commands.js';
import { outputLater, outputOf } from '../support/commands.js';
import { assertSameTree } from '../support/compare-trees.js';
import { chunksOnDisk } from '../support/gc.js';
import { MAIN, type TestStore, withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';
import { S3Proxy } from '../support/s3-proxy.js';
import { NO_S3, type S3Server, s3Server } from '../support/s3-server.js';

const GROUP = 'host/x';
const EXIT_PROBLEMS = 6;
const server = await s3Server();

function s3Test(name: string, body: (server: S3Server) => Promise<void>): void {
  if (server === undefined) test(name, { skip: NO_S3 }, () => undefined);
  else test(name, () => body(server));
}

function initOptions({ bucket, store, endpoint = '' }: S3Settings): string[] {
  return ['--s3', bucket, '--s3-store', store, '--endpoint', endpoint];
}

const currentOf = (store: TestStore): string => join(store.mountpoint, GROUP, 'current');
const uploadsOf = (store: TestStore): UploadStatus => {
  const { stdout } = store.run(['status', '--json']);
  return (JSON.parse(stdout) as { uploads: UploadStatus }).uploads;
};

function fill(folder: string, seed: string): void {
  mkdirSync(folder, { recursive: true });
  for (let n = 0; n < 100; n++) writeFileSync(join(folder, `small-${n}`), noise(`${seed} ${n}`, 500 + n * 37));
  writeFileSync(join(folder, 'large'), noise(seed, 6_000_000));
}

async function namesIn(settings: S3Settings, prefix: string): Promise<string[]> {
  const backend = new S3Backend(settings);
  try {
    const names: string[] = [];
    for await (const name of backend.list(prefix)) names.push(name);
    return names.sort();
  } finally {
    backend.close();
  }
}

function chunkNamed(hex: string): string {
  return `.chunks/${hex.slice(0, 2)}/${hex}`;
}

/** All that is in the datastore's folder is in the bucket, with the same bytes. */
async function assertUploaded(store: TestStore, settings: S3Settings, files: readonly string[]): Promise<void> {
  const chunks = chunksOnDisk(store.store).map(chunkNamed);
  const names = new Set(await namesIn(settings, ''));
  const backend = new S3Backend(settings);
  try {
    for (const name of [...chunks, ...files]) assert.ok(names.has(name), `${name} is in the bucket`);
    for (const name of [...chunks.slice(0, 10), ...files]) {
      assert.ok((await backend.get(name)).equals(readFileSync(join(store.store, name))), name);
    }
  } finally {
    backend.close();
  }
}

function snapshotFiles(time: string): string[] {
  const names = ['cairn.attrs.didx', 'index.json.blob', 'root.mpxar.didx', 'root.ppxar.didx'];
  return [`${GROUP}/owner`, ...names.map((name) => `${GROUP}/${time}/${name}`)];
}

s3Test(
  'what is written and snapshotted is in the bucket once sync ends, and goes from it when it is collected',
  async ({ newStore }) => {
    const settings = newStore();
    await withStore(
      async (store) => {
        const current = currentOf(store);
        fill(join(current, 'kept'), 'kept');
        fill(join(current, 'gone'), 'gone');
        const first = JSON.parse(store.cairn('snapshot', 'create', '--json', GROUP)) as { time: string };
        store.cairn('sync');
        assert.deepEqual([uploadsOf(store).chunks, uploadsOf(store).error], [0, null]);
        await assertUploaded(store, settings, snapshotFiles(first.time));
        assert.match(store.cairn('status'), /Uploads +no chunks to go to s3:/);
        rmSync(join(current, 'gone'), { recursive: true });
        const second = JSON.parse(store.cairn('snapshot', 'create', '--json', GROUP)) as { time: string };
        rmdirSync(join(store.mountpoint, GROUP, first.time));
        store.cairn('gc', '--grace', '0');
        const before = (await namesIn(settings, '.chunks')).length;
        assert.deepEqual(await namesIn(settings, `${GROUP}/${first.time}`), [], 'before its chunks went');
        store.cairn('gc', '--grace', '0');
        store.cairn('sync');
        await assertUploaded(store, settings, snapshotFiles(second.time));
        const here = chunksOnDisk(store.store).length;
        assert.deepEqual([(await namesIn(settings, '.chunks')).length, here <= before], [here, true]);
        assert.deepEqual(await namesIn(settings, '.cairn/quarantine'), []);
      },
      { init: initOptions(settings), groups: [GROUP] },
    );
  },
);

s3Test('chunks beyond the bound live in the bucket alone, and are fetched when they are read', async ({ newStore }) => {
  const settings = newStore();
  await withStore(
    async (store) => {
      const original = join(store.folder, 'original');
      fill(original, 'cold');
      outputOf('cp', ['-a', original, join(currentOf(store), 'cold')]);
      const { time } = JSON.parse(store.cairn('snapshot', 'create', '--json', GROUP)) as { time: string };
      store.cairn('sync');
      const chunks = chunksOnDisk(store.store).map((hex) => statSync(join(store.store, chunkNamed(hex))));
      assert.ok(chunks.length > 5);
      assert.deepEqual(
        chunks.map(({ blocks }) => blocks).filter((blocks) => blocks > 0),
        [],
      );
      await store.remount();
      assertSameTree(original, join(currentOf(store), 'cold'));
      assertSameTree(original, join(store.mountpoint, GROUP, time, 'cold'));
      outputOf('cp', ['-a', original, join(currentOf(store), 'again')]);
      store.cairn('verify');
      assertSameTree(original, join(currentOf(store), 'again'));
    },
    { init: [...initOptions(settings), '--cache-bytes', '1'], groups: [GROUP] },
  );
});

s3Test(
  'an outage stops no writer, is told, survives a crash and ends without a restart',
  async ({ endpoint, newStore }) => {
    const proxy = await S3Proxy.open(endpoint);
    const settings = newStore();
    try {
      await withStore(
        async (store) => {
          // In the test's process the proxy answers only while we wait.
          const cairn = (...args: string[]) => outputLater(process.execPath, [MAIN, ...args, '--store', store.store]);
          const config = join(store.store, '.cairn/config.json');
          writeFileSync(config, readFileSync(config, 'utf8').replace(endpoint, proxy.endpoint));
          await store.mount();
          mkdirSync(join(store.mountpoint, GROUP));
          await cairn('sync');
          await proxy.down();
          fill(join(currentOf(store), 'files'), 'outage');
          const { time } = JSON.parse(store.cairn('snapshot', 'create', '--json', GROUP)) as { time: string };
          const synced = store.run(['sync']);
          assert.notEqual(synced.status, 0);
          assert.match(synced.stderr, /ECONNREFUSED/);
          const { status, stdout } = store.run(['status']);
          assert.equal(status, EXIT_PROBLEMS);
          assert.match(stdout, /Problem +Uploading to s3:.* failed: .*ECONNREFUSED/);
          assert.ok(uploadsOf(store).chunks > 5);
          store.log.expect(/Uploading failed; it is tried again/);
          await store.kill9();
          await store.mount();
          assert.ok(uploadsOf(store).chunks > 5);
          await proxy.up();
          await cairn('sync');
          assert.deepEqual([uploadsOf(store).chunks, uploadsOf(store).error], [0, null]);
          await assertUploaded(store, settings, snapshotFiles(time));
          // Which does not wait for uploads.
          await store.umount('signal');
        },
        { mount: false, init: initOptions(settings) },
      );
    } finally {
      await proxy.down();
    }
  },
);

s3Test('what cannot be is refused before anything is made', async ({ newStore }) => {
  const settings = newStore();
  await withStore(
    (store) => {
      const refused = (args: readonly string[], text: RegExp, env = {}) => {
        const { status, stderr } = store.run(['init', ...args, join(store.folder, 'other')], { env });
        assert.notEqual(status, 0);
        assert.match(stderr, text);
        assert.throws(() => statSync(join(store.folder, 'other')));
      };
      refused(['--endpoint', 'http://127.0.0.1:1'], /--endpoint means nothing without --s3/);
      refused(['--s3', 'b', '--endpoint', 'nonsense'], /Not the address of a server: nonsense/);
      refused([...initOptions({ ...settings, bucket: 'no-such-bucket' })], /no such bucket/);
      refused(initOptions(settings), /secret key is wrong/, { AWS_SECRET_ACCESS_KEY: 'wrong' });
      store.cairn('init', ...initOptions(settings), join(store.folder, 'first'));
    },
    { mount: false },
  );
});
