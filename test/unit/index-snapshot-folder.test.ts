import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type GroupName, parseGroupPath } from '../../src/core/group.js';
import { encodeDynamicIndex } from '../../src/index/dynamic-index.js';
import { loadIndex, loadIndexIdentity, sameIndexIdentity } from '../../src/index/index-file.js';
import { newIndexStamp } from '../../src/index/index-header.js';
import { buildManifest, type Manifest, withUnprotected } from '../../src/index/manifest.js';
import { loadManifest, publishIndex, publishManifest, putManifest } from '../../src/index/publish.js';
import {
  createGroupFolder,
  createSnapshotFolder,
  findSnapshot,
  listGroups,
  listNamespaces,
  listSnapshots,
} from '../../src/index/snapshot-folder.js';
import { decodeBlob } from '../support/spec-decoder/blob.js';
import { decodeIndex } from '../support/spec-decoder/indexes.js';

const TIME = Date.parse('2026-11-20T10:00:00Z') / 1000;
const NAME = '2026-11-20T10:00:00Z';
const web1 = parseGroupPath('host/web1');

/** Runs with an empty datastore folder, which is removed in the end. */
async function inStore(work: (store: string) => Promise<void>): Promise<void> {
  const store = mkdtempSync(join(tmpdir(), 'cairn-index-'));
  try {
    await work(store);
  } finally {
    rmSync(store, { recursive: true });
  }
}

const index = encodeDynamicIndex(newIndexStamp(TIME), [{ end: 10, digest: Buffer.alloc(32, 1) }]);

function manifestOf(group: GroupName, files: readonly string[]): Manifest {
  const { checksum, contentLength: size } = index;
  const entries = files.map((filename) => ({ filename, cryptMode: 'none' as const, size, checksum }));
  return buildManifest({ type: group.type, id: group.id, time: TIME, files: entries });
}

test('a snapshot is published: folder, indexes, manifest last', async () => {
  await inStore(async (store) => {
    await createGroupFolder(store, web1, 'root@pam');
    assert.equal(readFileSync(`${store}/host/web1/owner`, 'utf8'), 'root@pam\n');
    const folder = await createSnapshotFolder(store, web1, TIME);
    assert.equal(folder, `${store}/host/web1/${NAME}`);
    const manifest = manifestOf(web1, ['root.mpxar.didx']);
    await assert.rejects(publishManifest(store, web1, manifest), { kind: 'invalid' });
    await publishIndex(folder, 'root.mpxar.didx', index.bytes);
    assert.deepEqual(await listSnapshots(store, web1), [
      { time: TIME, finished: false, isProtected: false, files: ['root.mpxar.didx'] },
    ]);
    await assert.rejects(loadManifest(folder), { kind: 'not-found' });
    await publishManifest(store, web1, manifest);
    assert.deepEqual(await findSnapshot(store, web1, TIME), {
      time: TIME,
      finished: true,
      isProtected: false,
      files: ['index.json.blob', 'root.mpxar.didx'],
    });
    assert.deepEqual(readdirSync(folder).sort(), ['index.json.blob', 'root.mpxar.didx']);
    assert.deepEqual(readdirSync(`${store}/host/web1`).sort(), [NAME, 'owner']);
    assert.equal(statSync(`${folder}/root.mpxar.didx`).mode & 0o777, 0o644);
    assert.deepEqual((await loadManifest(folder)).files[0]?.filename, 'root.mpxar.didx');
    const blob = readFileSync(`${folder}/index.json.blob`);
    assert.deepEqual(JSON.parse(decodeBlob(blob).toString()), manifest.document);
    assert.equal(decodeIndex(readFileSync(`${folder}/root.mpxar.didx`)).contentLength, 10);
  });
});

test('the independent decoder reads the blobs of pbs-format A.1, and refuses damaged ones', () => {
  const blob = Buffer.from('42ab3807be8370a120303a3668656c6c6f0a', 'hex');
  assert.equal(decodeBlob(blob).toString(), 'hello\n');
  assert.equal(decodeBlob(Buffer.from('42ab3807be8370a100000000', 'hex')).length, 0);
  assert.throws(() => decodeBlob(blob.subarray(0, -1)), /CRC32/);
  assert.throws(() => decodeBlob(Buffer.alloc(12)), /magic/);
});

test('a published index is read and recognised', async () => {
  await inStore(async (store) => {
    await publishIndex(store, 'a.didx', index.bytes);
    const loaded = await loadIndex(`${store}/a.didx`);
    assert.equal(loaded.index.contentLength, 10);
    assert.ok(sameIndexIdentity(loaded.identity, await loadIndexIdentity(`${store}/a.didx`)));
    await assert.rejects(loadIndex(`${store}/b.didx`), { kind: 'not-found' });
    await assert.rejects(loadIndexIdentity(`${store}/b.didx`), { kind: 'not-found' });
    writeFileSync(`${store}/c.didx`, 'short');
    await assert.rejects(loadIndex(`${store}/c.didx`), { kind: 'corrupt', message: /c\.didx/ });
    assert.equal((await loadIndexIdentity(`${store}/c.didx`)).fileBytes, 5);
  });
});

test('nothing is made twice, and nothing under a wrong name', async () => {
  await inStore(async (store) => {
    await assert.rejects(createSnapshotFolder(store, web1, TIME), { kind: 'not-found' });
    await createGroupFolder(store, web1, 'root@pam');
    await assert.rejects(createGroupFolder(store, web1, 'other@pbs'), { kind: 'exists' });
    assert.deepEqual(readdirSync(`${store}/host/web1`), ['owner']);
    assert.equal(readFileSync(`${store}/host/web1/owner`, 'utf8'), 'root@pam\n');
    await createSnapshotFolder(store, web1, TIME);
    await assert.rejects(createSnapshotFolder(store, web1, TIME), { kind: 'exists' });
    for (const name of ['x.blob', '../x.didx', 'x', '.didx']) {
      await assert.rejects(publishIndex(store, name, index.bytes), { kind: 'invalid' });
    }
    await assert.rejects(publishManifest(store, web1, manifestOf(parseGroupPath('host/web2'), [])), {
      kind: 'invalid',
    });
  });
});

test('the unprotected part of a manifest is changed in place', async () => {
  await inStore(async (store) => {
    await createGroupFolder(store, web1, 'root@pam');
    const folder = await createSnapshotFolder(store, web1, TIME);
    await publishManifest(store, web1, manifestOf(web1, []));
    await putManifest(folder, withUnprotected(await loadManifest(folder), { notes: 'before the move' }));
    assert.deepEqual((await loadManifest(folder)).unprotected, { notes: 'before the move' });
    writeFileSync(`${folder}/index.json.blob`, Buffer.alloc(20));
    await assert.rejects(loadManifest(folder), { kind: 'corrupt', message: /index\.json\.blob/ });
  });
});

test('groups and namespaces are found in the order of PBS, and only legal ones', async () => {
  await inStore(async (store) => {
    for (const path of ['vm/100', 'vm/99', 'vm/a', 'host/b', 'host/a', 'ct/7', 'ns/z/host/x', 'ns/a/ns/b', 'tape/x']) {
      mkdirSync(`${store}/${path}`, { recursive: true });
    }
    mkdirSync(`${store}/host/not legal`);
    mkdirSync(`${store}/ns/not legal`);
    mkdirSync(`${store}/.chunks`);
    writeFileSync(`${store}/vm/file`, '');
    const names = (await listGroups(store, [])).map(({ type, id }) => `${type}/${id}`);
    assert.deepEqual(names, ['ct/7', 'host/a', 'host/b', 'vm/99', 'vm/100', 'vm/a']);
    assert.deepEqual(await listNamespaces(store), [['a'], ['a', 'b'], ['z']]);
    assert.deepEqual(await listGroups(store, ['a', 'b']), []);
    assert.deepEqual(
      (await listGroups(store, ['z'])).map(({ namespace, id }) => [namespace, id]),
      [[['z'], 'x']],
    );
    await assert.rejects(listGroups(store, ['gone']), { kind: 'not-found' });
  });
});

test('snapshots are found oldest first; other names, files and links are none', async () => {
  await inStore(async (store) => {
    const group = `${store}/host/web1`;
    for (const name of ['2026-11-20T10:00:00Z', '2025-01-01T00:00:00Z', '2026-02-30T00:00:00Z', 'current']) {
      mkdirSync(`${group}/${name}`, { recursive: true });
    }
    writeFileSync(`${group}/2024-01-01T00:00:00Z`, '');
    writeFileSync(`${group}/${NAME}/index.json.blob`, '');
    writeFileSync(`${group}/${NAME}/.protected`, '');
    writeFileSync(`${group}/${NAME}/a.tmp_didx`, '');
    mkdirSync(`${group}/2025-01-01T00:00:00Z/index.json.blob`);
    assert.deepEqual(await listSnapshots(store, web1), [
      { time: Date.parse('2025-01-01T00:00:00Z') / 1000, finished: false, isProtected: false, files: [] },
      { time: TIME, finished: true, isProtected: true, files: ['.protected', 'index.json.blob'] },
    ]);
    assert.equal(await findSnapshot(store, web1, TIME + 1), undefined);
    await assert.rejects(listSnapshots(store, parseGroupPath('host/gone')), { kind: 'not-found' });
  });
});

test('a folder that cannot be listed is an error, not an empty one', async () => {
  await inStore(async (store) => {
    mkdirSync(`${store}/host`);
    writeFileSync(`${store}/host/web1`, '');
    await assert.rejects(listSnapshots(store, web1), { kind: 'not-a-directory' });
    await assert.rejects(findSnapshot(store, web1, TIME), { kind: 'not-a-directory' });
  });
});
