import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ArchiveEncoder } from '../../src/archive/encoder.js';
import { parseGroupPath } from '../../src/core/group.js';
import { silentLog } from '../../src/core/log.js';
import { formatSnapshotTime } from '../../src/core/snapshot-time.js';
import { DynamicIndexBuilder } from '../../src/index/dynamic-index.js';
import { newIndexStamp } from '../../src/index/index-header.js';
import { buildManifest } from '../../src/index/manifest.js';
import { publishIndex, publishManifest } from '../../src/index/publish.js';
import { createSnapshotFolder } from '../../src/index/snapshot-folder.js';
import { sha256Sync } from '../../src/native/hash.js';
import { noise } from '../support/noise.js';
import { GROUP, OpenStore } from '../support/open-store.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const TIME = 1_600_000_000;
const NAME = formatSnapshotTime(TIME);

/** Puts a snapshot of an unsplit archive on disk, as an older PBS client does. */
async function putWholeArchive(store: OpenStore, path: string): Promise<void> {
  const parts: Buffer[] = [];
  const metadata = { mode: 0o040755, uid: 0, gid: 0, mtimeSec: 5, mtimeNsec: 6, xattrs: [] };
  const encoder = new ArchiveEncoder((bytes) => parts.push(Buffer.from(bytes)), metadata, 1);
  const content = noise('content', 1000);
  encoder.file(Buffer.from('file'), { ...metadata, mode: 0o100640, mtimeSec: -7 }, { content });
  encoder.startFolder(Buffer.from('sub'), metadata);
  encoder.file(Buffer.from('inner'), { ...metadata, mode: 0o100600 }, { content: Buffer.from('inner') });
  encoder.endFolder();
  encoder.endFolder();
  const stream = Buffer.concat(parts);
  const index = new DynamicIndexBuilder();
  for (const bytes of [stream.subarray(0, 700), stream.subarray(700)]) {
    await store.datastore.chunks.insertBytes(sha256Sync(bytes), bytes);
    index.append(sha256Sync(bytes), bytes.length);
  }
  const built = index.finish(newIndexStamp(TIME));
  const group = parseGroupPath(path);
  mkdirSync(join(store.folder, path), { recursive: true });
  writeFileSync(join(store.folder, path, 'owner'), 'backup@pbs\n');
  const folder = await createSnapshotFolder(store.folder, group, TIME);
  await publishIndex(folder, 'root.pxar.didx', built.bytes);
  const size = built.contentLength;
  const files = [{ filename: 'root.pxar.didx', cryptMode: 'none' as const, size, checksum: built.checksum }];
  await publishManifest(store.folder, group, buildManifest({ type: group.type, id: group.id, time: TIME, files }));
}

test('groups and snapshots that others put on disk show when the store is opened', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(`${GROUP}/current/file`, noise('file', 300_000));
  const time = await store.snapshot();
  const copy = join(store.folder, 'ns/a/host/other', time);
  cpSync(join(store.folder, GROUP, time), copy, { recursive: true });
  await putWholeArchive(store, 'ct/old');
  const unfinished = join(store.folder, GROUP, '2020-01-01T00:00:00Z');
  mkdirSync(unfinished);
  const image = join(store.folder, 'vm/100/2020-01-01T00:00:00Z');
  mkdirSync(image, { recursive: true });
  writeFileSync(join(image, 'index.json.blob'), 'broken');
  await store.reopen();
  assert.ok(existsSync(unfinished));
  assert.deepEqual(await store.names(GROUP), [time, 'current', 'latest', 'owner']);
  assert.deepEqual(await store.names('ns/a/host/other'), [time, 'current', 'latest', 'owner']);
  assert.ok((await store.read(`ns/a/host/other/${time}/file`)).equals(noise('file', 300_000)));
  assert.deepEqual(await store.names('vm'), []);
  assert.equal((await store.read('ct/old/owner')).toString(), 'backup@pbs\n');
  assert.deepEqual(await store.names(`ct/old/${NAME}`), ['file', 'sub']);
  assert.ok((await store.read(`ct/old/${NAME}/file`)).equals(noise('content', 1000)));
  assert.equal((await store.read(`ct/old/${NAME}/sub/inner`)).toString(), 'inner');
  const { mode, mtimeSec, mtimeNsec } = await store.find(`ct/old/${NAME}/file`);
  assert.deepEqual([mode, mtimeSec, mtimeNsec], [0o100640, -7, 6]);
  await store.write('ct/old/current/new', 'a live tree of its own');
  const made = await store.snapshot('ct/old');
  await store.reopen();
  assert.deepEqual(await store.names('ct/old'), [NAME, made, 'current', 'latest', 'owner']);
});

test('a snapshot that others removed is gone when the store is opened, with what was known of it', async (t) => {
  const store = await OpenStore.make(t);
  const [first, second] = [await store.snapshot(), await store.snapshot()];
  await store.close();
  rmSync(join(store.folder, GROUP, second), { recursive: true });
  const warnings: string[] = [];
  await store.open({ log: { ...silentLog, warn: (_fields, message) => warnings.push(message) } });
  assert.deepEqual(await store.names(GROUP), [first, 'current', 'latest', 'owner']);
  assert.deepEqual(warnings, [`Snapshot ${GROUP}/${second} was removed by somebody else`]);
  assert.equal(store.datastore.catalog.indexFiles.list('', 10).length, 3);
  assert.ok(readFileSync(join(store.folder, GROUP, first, 'index.json.blob')).length > 0);
});

test('what a symbolic link in the datastore leads to is not shown', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(`${GROUP}/current/file`, 'content');
  const time = await store.snapshot();
  const outside = temporaryFolder(t);
  await store.close();
  cpSync(join(store.folder, GROUP, time), join(outside, time), { recursive: true });
  cpSync(join(store.folder, GROUP), join(outside, 'group'), { recursive: true });
  const other = '2026-01-02T03:04:05Z';
  symlinkSync(join(outside, time), join(store.folder, GROUP, other));
  symlinkSync(join(outside, 'group'), join(store.folder, 'host', 'linked'));
  await store.open();
  assert.deepEqual(await store.names(GROUP), [time, 'current', 'latest', 'owner']);
  assert.deepEqual(await store.names('host'), ['x']);
  rmSync(join(store.folder, GROUP, other));
});
