import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { PACKED_LIMIT_BYTES } from '../../src/chunk/limits.js';
import { PAYLOAD_HEADER_BYTES } from '../../src/chunk/payload-header.js';
import { parseGroupPath } from '../../src/core/group.js';
import { silentLog } from '../../src/core/log.js';
import { openSnapshotView } from '../../src/daemon/open-snapshot-view.js';
import { runUnmountedBackup } from '../../src/daemon/unmounted-backup.js';
import { createDatastore } from '../../src/datastore/create.js';
import { HoldScope } from '../../src/native/holds.js';
import { SourceFile, SourceFolder } from '../../src/native/source.js';
import { BackupRecord } from '../../src/snapshot/backup/backup-record.js';
import { LargeFiles } from '../../src/snapshot/backup/large-files.js';
import { BackupJob } from '../../src/snapshot/backup/run-backup.js';
import { SmallFiles } from '../../src/snapshot/backup/small-files.js';
import { OpenFolder } from '../../src/snapshot/backup/source-file.js';
import { SourceNode } from '../../src/snapshot/backup/source-node.js';
import type { FileContent } from '../../src/snapshot/create/tree-source.js';
import { BackupCase } from '../support/backup-case.js';
import { ofKind } from '../support/catalog.js';
import { until } from '../support/commands.js';
import { noise } from '../support/noise.js';
import { GROUP, OpenStore } from '../support/open-store.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const MIB = 1024 * 1024;

/** Small files of a folder being read, over a store that keeps packs in memory. */
async function reading(folder: string) {
  const packs = new Map<string, Buffer>();
  const record = new BackupRecord();
  const large: string[] = [];
  const open = new OpenFolder(await SourceFolder.open(folder), Buffer.alloc(0));
  const small = new SmallFiles({
    packs: {
      async store(pack: Uint8Array) {
        const digest = createHash('sha256').update(pack).digest();
        packs.set(digest.toString('hex'), Buffer.from(pack));
        return digest;
      },
    },
    known: { isPresent: () => false },
    record,
    pieces: { findAll: (contents) => contents.map(() => undefined) },
    readLarge: async ({ name }) => {
      large.push(Buffer.from(name).toString());
      return undefined;
    },
  });
  const nodes = new Map<string, SourceNode>();
  for (let i = 1; i < open.folder.listing.ends.length; i += 1) {
    const entry = open.folder.entryAt(i);
    if (entry.status !== undefined) nodes.set(entry.name.toString(), new SourceNode(1, entry, entry.status));
  }
  const read = (name: string): Promise<FileContent | undefined> =>
    small.read({ folder: open, name: Buffer.from(name), node: nodes.get(name) as SourceNode });
  const bytesOf = (name: string, content: FileContent | undefined): Buffer => {
    assert.equal(content?.kind, 'packed');
    if (content?.kind !== 'packed') throw new Error('not packed');
    const pack = packs.get(Buffer.from(content.digest).toString('hex')) as Buffer;
    assert.equal(pack.length, content.chunkLength);
    const size = (nodes.get(name) as SourceNode).size;
    assert.equal(pack.readBigUInt64LE(content.at - 8), BigInt(size + PAYLOAD_HEADER_BYTES));
    return pack.subarray(content.at, content.at + size);
  };
  return { small, read, bytesOf, record, large, nodes, packs };
}

test('small files are packed in order, equal ones once, whatever the batches', async (context) => {
  const folder = temporaryFolder(context);
  const names = Array.from({ length: 700 }, (_, i) => `f${String(i).padStart(3, '0')}`);
  const contents = names.map((name, i) => noise(i % 50 === 7 ? 'same' : name, 1 + ((i * 977) % 9000)));
  contents.forEach((bytes, i) => {
    writeFileSync(join(folder, names[i] as string), i % 50 === 7 ? noise('same', 500) : bytes);
  });
  const { small, read, bytesOf, packs } = await reading(folder);
  const coming = names.map(read);
  small.flush();
  const found = await Promise.all(coming);
  const places = new Set<string>();
  for (const [i, name] of names.entries()) {
    const wanted = i % 50 === 7 ? noise('same', 500) : contents[i];
    assert.ok(bytesOf(name, found[i]).equals(wanted as Buffer), name);
    if (i % 50 === 7) places.add(JSON.stringify(found[i]));
  }
  assert.equal(places.size, 1);
  const total = contents.reduce((sum, bytes) => sum + bytes.length, 0);
  assert.ok(packs.size <= total / (256 * 1024) + 2, `${packs.size} packs`);
});

test('a file that is another one since it was listed is read as it is now, or named', async (context) => {
  const folder = temporaryFolder(context);
  const names = ['grown', 'shrunk', 'large', 'gone', 'link', 'kept', 'empty'];
  for (const name of names) writeFileSync(join(folder, name), noise(name, 5000));
  const { small, read, bytesOf, record, large, nodes } = await reading(folder);
  appendFileSync(join(folder, 'grown'), 'more');
  truncateSync(join(folder, 'shrunk'), 10);
  truncateSync(join(folder, 'large'), PACKED_LIMIT_BYTES);
  truncateSync(join(folder, 'empty'), 0);
  for (const name of ['gone', 'link']) rmSync(join(folder, name));
  symlinkSync('kept', join(folder, 'link'));
  const coming = names.map(read);
  small.flush();
  const [grown, shrunk, , gone, link, kept] = await Promise.all(coming);
  assert.ok(bytesOf('grown', grown).equals(Buffer.concat([noise('grown', 5000), Buffer.from('more')])));
  assert.ok(bytesOf('shrunk', shrunk).equals(noise('shrunk', 5000).subarray(0, 10)));
  assert.ok(bytesOf('kept', kept).equals(noise('kept', 5000)));
  assert.deepEqual([gone, link], [undefined, undefined]);
  assert.deepEqual(large.sort(), ['empty', 'large']);
  const problems = record.report().problems.map(({ path, kind }) => `${path} ${kind}`);
  assert.deepEqual(problems.sort(), ['gone unreadable', 'link unreadable']);
  assert.equal((nodes.get('shrunk') as SourceNode).size, 10);
});

test('what was counted is what is passed in the end', async (context) => {
  const folder = temporaryFolder(context);
  const [store, source] = [join(folder, 'store'), join(folder, 'source')];
  await createDatastore(store, { reserveBytes: 4096 });
  mkdirSync(join(source, 'sub'), { recursive: true });
  for (let i = 0; i < 20; i++) writeFileSync(join(source, 'sub', String(i)), noise(String(i), 2000));
  writeFileSync(join(source, 'large'), noise('large', 10_000_000));
  const holds = HoldScope.open();
  const group = parseGroupPath('host/x');
  const options = {
    ...{ store, source, group, startTime: 1, dryRun: false, holds: holds.id, excludes: ['/sub/1'] },
    ...{ oneFileSystem: false, excludeCaches: false },
  };
  const noView = () => Promise.reject(new Error('there is no snapshot'));
  const job = await BackupJob.open(options, noView, new AbortController().signal);
  try {
    await job.count();
    assert.deepEqual(job.progress, { done: 0, total: 10_038_000 });
    const { figures } = await job.gather();
    assert.deepEqual(job.progress, { done: 10_038_000, total: 10_038_000 });
    assert.deepEqual([figures.files, figures.excluded], [20, 1]);
  } finally {
    job.close();
    holds.end();
  }
});

test('how much there is, is told by the newest snapshot, and nothing is looked at for it', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(`${GROUP}/current/large`, noise('large', 3_000_000));
  await store.snapshot();
  const source = temporaryFolder(t);
  writeFileSync(join(source, 'small'), noise('small', 1_000_000));
  const holds = HoldScope.open();
  const options = {
    ...{ store: store.folder, source, group: parseGroupPath(GROUP), startTime: 1, dryRun: true, holds: holds.id },
    ...{ excludes: [], oneFileSystem: false, excludeCaches: false },
  };
  const job = await BackupJob.open(options, openSnapshotView, new AbortController().signal);
  try {
    const { figures } = await job.gather();
    const looks = t.mock.method(SourceFolder, 'open');
    await job.count();
    assert.equal(looks.mock.callCount(), 0);
    const { done, total } = job.progress;
    assert.equal(done, figures.readBytes);
    assert.ok(total !== undefined && total >= 3_000_000 && total < 3_001_000, String(total));
  } finally {
    job.close();
    holds.end();
  }
});

test('a backup given up while a file waits for memory reads nothing of it any more', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'first'), Buffer.alloc(64 * MIB));
  writeFileSync(join(folder, 'second'), Buffer.alloc(MIB));
  let letStore: () => void = () => undefined;
  const mayStore = new Promise<void>((resolve) => {
    letStore = resolve;
  });
  let storing = 0;
  const chunks = {
    async store(_: Uint8Array, { length }: Uint8Array): Promise<number> {
      storing += length;
      await mayStore;
      return length;
    },
  };
  const givenUp = new AbortController();
  const large = new LargeFiles(chunks, new BackupRecord(), givenUp.signal);
  const open = new OpenFolder(await SourceFolder.open(folder), Buffer.alloc(0));
  const read = (index: number): Promise<FileContent | undefined> => {
    const entry = open.folder.entryAt(index);
    assert.ok(entry.status !== undefined);
    return large.read({ folder: open, name: entry.name, node: new SourceNode(1, entry, entry.status) });
  };
  const first = assert.rejects(read(1), ofKind('interrupted'));
  // Five windows of 8 MiB are all there are, and a file asks for the next one before it cuts.
  await until('every window to be in use', () => storing > 32 * MIB);
  givenUp.abort();
  const looks = t.mock.method(SourceFile.prototype, 'dataRanges');
  const reads = t.mock.method(SourceFile.prototype, 'readInto');
  const second = assert.rejects(read(2), ofKind('interrupted'));
  await until('the second file to be open', () => looks.mock.callCount() > 0);
  await looks.mock.calls[0]?.result;
  await new Promise((resolve) => setImmediate(resolve));
  letStore();
  await Promise.all([first, second]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(reads.mock.callCount(), 0);
});

test('a backup that is given up says what it leaves: no snapshot, and chunks for the next collection', async (t) => {
  const made = await BackupCase.in(temporaryFolder(t));
  mkdirSync(made.source);
  const args = { source: made.source, group: 'host/a', excludes: [], oneFileSystem: false, excludeCaches: false };
  const context = { signal: AbortSignal.abort(), progress: () => undefined };
  await assert.rejects(
    runUnmountedBackup(made.store, { ...args, dryRun: false }, context, silentLog),
    (error: Error) => ofKind('interrupted')(error) && /no snapshot was made; chunks .* collection/.test(error.message),
  );
});
