import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { S3Settings } from '../../src/backend/s3/s3-settings.js';
import type { GcReport } from '../../src/control/gc-commands.js';
import { openLibrary, openLibraryReader } from '../../src/library/open-library.js';
import { isKind } from '../support/kinds.js';
import { bytesOf } from '../support/libraries.js';
import type { TestStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';
import { chunksIn, NO_S3, s3Server } from '../support/s3-server.js';
import { cairn, Machines } from '../support/two-machines.js';

const GROUP = 'host/a';
const OTHER = 'host/b';
const server = await s3Server();

const currentOf = (store: TestStore, group: string): string => join(store.mountpoint, group, 'current');
const snapshot = (store: TestStore, group: string): string =>
  (JSON.parse(store.cairn('snapshot', 'create', '--json', group)) as { time: string }).time;

test('without a mount: collections take part in those of the bucket, objects come there and are there after attach', {
  skip: server === undefined ? NO_S3 : false,
}, async () => {
  const settings = server?.newStore() as S3Settings;
  const machines = new Machines(settings);
  try {
    const a = machines.add();
    await a.mount();
    mkdirSync(join(a.mountpoint, GROUP));
    writeFileSync(join(currentOf(a, GROUP), 'large'), noise('large', 9_000_000));
    const time = snapshot(a, GROUP);
    rmSync(join(currentOf(a, GROUP), 'large'));
    await a.umount();
    const b = machines.add();
    await b.mount();
    mkdirSync(join(b.mountpoint, OTHER));
    const kept = noise('kept', 3_000_000);
    writeFileSync(join(currentOf(b, OTHER), 'kept'), kept);
    const others = snapshot(b, OTHER);
    await cairn(b, 'sync');
    a.cairn('snapshot', 'forget', `${GROUP}/${time}`);
    const [large, gone] = [noise('object', 5_000_000), noise('gone', 2_000_000)];
    await putObjects(a, large, gone);

    // What the other machine has the files of it keeps; the object is uploaded.
    const { bucket } = JSON.parse(await cairn(a, 'gc', '--grace', '0', '--json')) as GcReport;
    assert.equal(bucket?.problem, null);
    assert.deepEqual([bucket.condemned > 0, bucket.kept, bucket.deleted], [true, bucket.condemned, 0]);
    assert.deepEqual(readFileSync(join(b.mountpoint, OTHER, others, 'kept')), kept);
    await cairn(b, 'verify');
    await b.umount();
    const before = await chunksIn(settings);
    await collectTwiceAtOnce(a);
    const left = await chunksIn(settings);
    assert.ok(left < before, `${left} chunks of ${before}`);

    rmSync(a.store, { recursive: true });
    a.cairn('attach', `s3://${settings.bucket}/${settings.store}`, a.store, '--endpoint', settings.endpoint ?? '');
    await assertObjects(a, large);
  } catch (error) {
    for (const store of machines.stores) console.error(store.report());
    throw error;
  } finally {
    await machines.end();
  }
});

async function putObjects(store: TestStore, large: Buffer, gone: Buffer): Promise<void> {
  const library = await openLibrary(store.store);
  await library.putObject('reports/large', large, { metadata: { of: 'a' } });
  await library.putObject('small', Buffer.from('small'));
  await library.putObject('gone', gone);
  await library.close();
}

/** One is refused: a machine takes part in one collection. */
async function collectTwiceAtOnce(store: TestStore): Promise<void> {
  const library = await openLibrary(store.store);
  await library.deleteObject('gone');
  const both = [library.collectGarbage({ graceSeconds: 0 }), library.collectGarbage({ graceSeconds: 0 })] as const;
  await assert.rejects(both[1], isKind('busy', /running already/));
  await both[0];
  await library.close();
}

async function assertObjects(store: TestStore, large: Buffer): Promise<void> {
  const reader = await openLibraryReader(store.store);
  assert.deepEqual(await bytesOf(await reader.getObjectData('reports/large')), large);
  assert.deepEqual((await reader.getObject('reports/large')).metadata, { of: 'a' });
  assert.deepEqual(await bytesOf(await reader.getObjectData('small')), Buffer.from('small'));
  await reader.close();
  await store.mount();
  const folder = join(store.mountpoint, '.objects');
  assert.deepEqual(readdirSync(folder).sort(), ['reports%2Flarge', 'small']);
  assert.deepEqual(readFileSync(join(folder, 'reports%2Flarge')), large);
  store.cairn('check');
  await store.umount();
}
