import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { S3Settings } from '../../src/backend/s3/s3-settings.js';
import type { UploadStatus } from '../../src/control/upload-commands.js';
import { silentLog } from '../../src/core/log.js';
import { withUnmounted } from '../../src/daemon/unmounted-store.js';
import { UploadService } from '../../src/daemon/upload-service.js';
import { createDatastore } from '../../src/datastore/create.js';
import { outputLater } from '../support/commands.js';
import { MAIN, type TestStore, withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';
import { type Fault, S3Proxy, s3Error } from '../support/s3-proxy.js';
import { NO_S3, type S3Server, s3Server } from '../support/s3-server.js';

const GROUP = 'host/x';
const server = await s3Server();

function s3Test(name: string, body: (server: S3Server) => Promise<void>): void {
  if (server === undefined) test(name, { skip: NO_S3 }, () => undefined);
  else test(name, () => body(server));
}

const fileOf = (store: TestStore, name: string): string => join(store.mountpoint, GROUP, 'current', name);

function uploadsOf(store: TestStore): UploadStatus {
  return (JSON.parse(store.run(['status', '--json']).stdout) as { uploads: UploadStatus }).uploads;
}

/** In the test's process the proxy answers only while we wait. */
function later(store: TestStore, ...args: string[]): Promise<string> {
  return outputLater(process.execPath, [MAIN, ...args, '--store', store.store]);
}

/** A mounted store whose requests go through a proxy. */
async function withProxy(
  { endpoint, newStore }: S3Server,
  init: readonly string[],
  body: (store: TestStore, proxy: S3Proxy, settings: S3Settings) => Promise<void>,
): Promise<void> {
  const proxy = await S3Proxy.open(endpoint);
  const settings = newStore();
  const { bucket, store: name } = settings;
  try {
    await withStore(
      async (store) => {
        const config = join(store.store, '.cairn/config.json');
        writeFileSync(config, readFileSync(config, 'utf8').replace(endpoint, proxy.endpoint));
        await store.mount();
        await later(store, 'sync');
        await body(store, proxy, settings);
        if (store.isMounted) await store.umount('signal');
      },
      {
        mount: false,
        init: ['--s3', bucket, '--s3-store', name, '--endpoint', endpoint, '--s3-timeout', '2', ...init],
      },
    );
  } finally {
    await proxy.down();
  }
}

s3Test('a bounded queue refuses writers while the server is down, and takes them when it is back', (parts) =>
  withProxy(parts, ['--queue-bytes', '2000000', '--when-full', 'enospc'], async (store, proxy) => {
    await outputLater('mkdir', [join(store.mountpoint, GROUP)]);
    await proxy.down();
    let written = 0;
    assert.throws(
      () => {
        for (; written < 40; written += 1) writeFileSync(fileOf(store, `f${written}`), noise(`f${written}`, 1_000_000));
      },
      { code: 'ENOSPC' },
    );
    assert.ok(written >= 2, `${written} files`);
    const { bytes, queueBytes, whenFull } = uploadsOf(store);
    assert.deepEqual([bytes >= 2_000_000, queueBytes, whenFull], [true, 2_000_000, 'enospc']);
    assert.match(store.run(['status']).stdout, /Queue +full \(.*\): writers get ENOSPC/);
    await proxy.up();
    await later(store, 'sync');
    writeFileSync(fileOf(store, 'again'), noise('again', 1_000_000));
    assert.ok(readFileSync(fileOf(store, 'f0')).equals(noise('f0', 1_000_000)));
    store.log.expect(/Uploading failed; it is tried again/);
  }),
);

s3Test('writers wait for a bounded queue, and go on without a restart', (parts) =>
  withProxy(parts, ['--queue-bytes', '2000000'], async (store, proxy) => {
    await outputLater('mkdir', [join(store.mountpoint, GROUP)]);
    await proxy.down();
    const source = join(store.folder, 'source');
    writeFileSync(source, noise('source', 12_000_000));
    let done = false;
    const writer = outputLater('cp', [source, fileOf(store, 'copy')]).then(() => {
      done = true;
    });
    await until(store, ({ bytes }) => bytes >= 2_000_000);
    assert.equal(done, false);
    await proxy.up();
    await writer;
    await later(store, 'sync');
    assert.ok((await readFile(fileOf(store, 'copy'))).equals(noise('source', 12_000_000)));
    store.log.expect(/Uploading failed; it is tried again/);
  }),
);

async function until(store: TestStore, wanted: (status: UploadStatus) => boolean): Promise<void> {
  while (!wanted(uploadsOf(store))) await new Promise(setImmediate);
}

const BAD_TIMES: Readonly<Record<string, Fault>> = {
  'answers nothing': { kind: 'stall' },
  throttles: s3Error(503, 'SlowDown'),
  'has wrong bytes': { kind: 'corrupt' },
  'refuses credentials': s3Error(403, 'ExpiredToken'),
  'has another time': s3Error(403, 'RequestTimeTooSkewed'),
};

s3Test('what is not here cannot be read while the server fails, and can be afterwards; what is here can', (parts) =>
  withProxy(parts, ['--cache-bytes', '1'], async (store, proxy) => {
    await outputLater('mkdir', [join(store.mountpoint, GROUP)]);
    const names = Object.keys(BAD_TIMES).map((_, number) => `f${number}`);
    for (const name of names) writeFileSync(fileOf(store, name), noise(name, 700_000));
    await later(store, 'sync');
    await store.kill9();
    await store.mount();
    for (const [number, [what, fault]] of Object.entries(BAD_TIMES).entries()) {
      const name = names[number] as string;
      proxy.always(fault);
      await assert.rejects(readFile(fileOf(store, name)), { code: 'EIO' }, `the server ${what}`);
      proxy.always(undefined);
      assert.ok((await readFile(fileOf(store, name))).equals(noise(name, 700_000)), `after it ${what}`);
      proxy.always(fault);
      assert.ok((await readFile(fileOf(store, name))).equals(noise(name, 700_000)), `here while it ${what}`);
      proxy.always(undefined);
    }
    store.log.expect(/./);
  }),
);

const REFUSALS: readonly { readonly fault: Fault; readonly why: RegExp }[] = [
  { fault: { kind: 'stall' }, why: /nothing moved for/ },
  { fault: s3Error(403, 'QuotaExceeded'), why: /takes no more \(QuotaExceeded\)/ },
  { fault: s3Error(403, 'ExpiredToken'), why: /credentials have expired/ },
  { fault: s3Error(403, 'RequestTimeTooSkewed'), why: /set the clock/ },
];

s3Test(
  'whatever the server refuses with: writing goes on, status says why and how much waits, and all comes there',
  (parts) =>
    withProxy(parts, [], async (store, proxy) => {
      await outputLater('mkdir', [join(store.mountpoint, GROUP)]);
      for (const [number, { fault, why }] of REFUSALS.entries()) {
        proxy.choose = ({ method }) => (method === 'PUT' ? fault : undefined);
        writeFileSync(fileOf(store, `f${number}`), noise(`f${number}`, 700_000));
        await assert.rejects(later(store, 'sync'), why);
        const { bytes, error } = uploadsOf(store);
        assert.ok(bytes > 600_000, `${bytes} bytes wait`);
        assert.match(error ?? '', why);
        proxy.always(undefined);
      }
      // A server that is merely slow is none that fails.
      proxy.always({ kind: 'wait', until: new Promise((resolve) => setTimeout(resolve, 500)) });
      await later(store, 'sync');
      proxy.always(undefined);
      const { chunks, error } = uploadsOf(store);
      assert.deepEqual([chunks, error], [0, null]);
      store.log.expect(/Uploading failed; it is tried again/);
    }),
);

/** As on a server without conditional puts: uploading needs no membership then. */
function belongToOneMachine(folder: string): void {
  const path = join(folder, '.cairn/config.json');
  const config = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...config, s3: { ...config.s3, conditionalPuts: false } }));
}

s3Test('what was put is not put again by an upload that follows at once', async ({ endpoint, newStore }) => {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-store-'));
  const proxy = await S3Proxy.open(endpoint);
  try {
    await createDatastore(folder, { s3: { ...newStore(), endpoint: proxy.endpoint }, reserveBytes: 4096 });
    belongToOneMachine(folder);
    await withUnmounted(folder, silentLog, async ({ datastore, live }) => {
      const uploads = UploadService.of(datastore, live, silentLog);
      assert.ok(uploads !== undefined);
      const store = async (text: string): Promise<void> => {
        const bytes = noise(text, 5000);
        const digest = createHash('sha256').update(bytes).digest();
        const stored = await datastore.chunks.insertBytes(digest, bytes);
        datastore.catalog.chunks.setPresent(digest, bytes.length, stored);
      };
      const drain = () => uploads.drain({ progress: () => undefined, signal: new AbortController().signal });
      await drain();
      for (let n = 0; n < 10; n += 1) await store(`${n}`);
      proxy.takeSeen();
      let release = (): void => undefined;
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      const seen = new Promise<void>((resolve) => {
        proxy.choose = () => {
          resolve();
          return { kind: 'wait', until: released };
        };
      });
      const first = drain();
      await seen;
      await store('another');
      const second = drain();
      await live.durability.commitDurably();
      release();
      await Promise.all([first, second]);
      const puts = proxy.takeSeen().filter(({ method }) => method === 'PUT');
      assert.equal(new Set(puts.map(({ path }) => path)).size, 11);
      assert.equal(puts.length, 11);
      await uploads.end();
    });
  } finally {
    await proxy.down();
    rmSync(folder, { recursive: true, force: true });
  }
});

s3Test('durability of the bucket: what was synced survives the loss of the folder; in an outage fsync fails', (parts) =>
  withProxy(parts, ['--durability', 'backend'], async (store, proxy, settings) => {
    await outputLater('mkdir', [join(store.mountpoint, GROUP)]);
    let lost = 0;
    proxy.choose = ({ method }) => (method === 'PUT' && lost++ % 3 === 0 ? { kind: 'lose-reply' } : undefined);
    const file = await open(fileOf(store, 'kept'), 'w');
    await file.write(noise('kept', 3000));
    await file.sync();
    await file.close();
    assert.ok(lost > 0);
    await proxy.down();
    const other = openSync(fileOf(store, 'other'), 'w');
    writeSync(other, 'not there');
    assert.throws(() => fsyncSync(other), { code: 'EIO' });
    closeSync(other);
    store.log.expect(/No recovery point could be made/);
    store.log.expect(/A FSYNC request failed/);
    store.log.expect(/Uploading failed; it is tried again/);
    await store.kill9();
    rmSync(store.store, { recursive: true });
    const { bucket, store: name, endpoint = '' } = settings;
    store.cairn('attach', `s3://${bucket}/${name}`, store.store, '--take-over', '--endpoint', endpoint);
    await store.mount();
    assert.ok(readFileSync(fileOf(store, 'kept')).equals(noise('kept', 3000)));
    await store.umount();
  }),
);
