import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Change } from '../../src/catalog/change.js';
import { CatalogChunkStates } from '../../src/content/catalog-chunk-states.js';
import type { CommitHooks } from '../../src/content/durability.js';
import { parseGroupPath } from '../../src/core/group.js';
import { silentLog } from '../../src/core/log.js';
import { formatSnapshotTime } from '../../src/core/snapshot-time.js';
import { systemClock } from '../../src/core/time.js';
import { SnapshotService } from '../../src/daemon/snapshot-service.js';
import type { WritableDatastore } from '../../src/datastore/open.js';
import { loadIndex } from '../../src/index/index-file.js';
import { betweenPictures, lockDigest, tryLockDigest, unlockDigest } from '../../src/native/digest-locks.js';
import { heldChunks } from '../../src/native/holds.js';
import { JobThread } from '../../src/snapshot/create/job-thread.js';
import { LiveSwaps } from '../../src/snapshot/create/live-swaps.js';
import { METADATA_NAME } from '../../src/snapshot/snapshot-files.js';
import { noise } from '../support/noise.js';
import { GROUP, OpenStore } from '../support/open-store.js';
import { readSnapshot } from '../support/snapshot-on-disk.js';
import { ROOT } from '../support/store-tree.js';

const MIB = 1024 * 1024;
const NAME = parseGroupPath(GROUP);
const at = (name: string): string => `${GROUP}/current/${name}`;

const isKind = (kind: string) => (error: unknown) => error instanceof Error && 'kind' in error && error.kind === kind;

/** Runs `work` once, right after the next picture was opened. */
function afterPicture(store: OpenStore, work: () => Promise<void>): void {
  const { contents, durability } = store.live;
  let state: 'waiting' | 'captured' | 'done' = 'waiting';
  const [capture, commitWith] = [contents.capture.bind(contents), durability.commitWith.bind(durability)];
  contents.capture = () => {
    state = 'captured';
    capture();
  };
  durability.commitWith = (hooks: CommitHooks) => {
    const after = async (): Promise<void> => {
      await hooks.after();
      if (state !== 'captured') return;
      state = 'done';
      contents.capture = capture;
      await work();
    };
    return commitWith({ before: () => hooks.before(), after });
  };
}

/** Fails unless no trace of a snapshot is left. */
async function assertNothingLeft(store: OpenStore): Promise<void> {
  const { catalog } = store.datastore;
  const group = catalog.groups.findByName(NAME);
  assert.deepEqual(catalog.snapshots.list(group?.id ?? 0), []);
  assert.deepEqual(catalog.indexFiles.list('', 10), []);
  assert.deepEqual(readdirSync(join(store.folder, GROUP)), ['owner']);
  await store.live.durability.commitDurably();
  assert.deepEqual(heldChunks(), []);
}

test('the picture is one moment: what is done after it does not show', async (t) => {
  const store = await OpenStore.make(t);
  await store.mkdir(at('sub'));
  await store.write(at('sub/kept'), 'first');
  await store.write(at('large'), noise('a', 3 * MIB));
  const open = await store.openFile(at('being-written'));
  await store.writeOpen(open, noise('b', 2 * MIB), 0);
  afterPicture(store, async () => {
    await store.writeOpen(open, noise('c', 2 * MIB), 2 * MIB);
    await store.vfs.files.flush(open);
    await store.write(at('sub/kept'), 'second');
    await store.write(at('new'), 'new');
    const [parent, name] = await store.at(at('sub'));
    await store.vfs.names.rename(ROOT, parent, name, parent, Buffer.from('moved'), 0);
    await store.write(at('large'), noise('z', 100_000), MIB);
  });
  const time = await store.snapshot();
  const { entries } = readSnapshot(store.folder, GROUP, time);
  assert.deepEqual([...entries.keys()].sort(), ['', 'being-written', 'large', 'sub', 'sub/kept']);
  assert.equal(entries.get('sub/kept')?.payload?.content().toString(), 'first');
  assert.ok(
    entries
      .get('large')
      ?.payload?.content()
      .equals(noise('a', 3 * MIB)),
  );
  assert.ok(
    entries
      .get('being-written')
      ?.payload?.content()
      .equals(noise('b', 2 * MIB)),
  );
  await store.vfs.files.release(open);
  const whole = Buffer.concat([noise('b', 2 * MIB), noise('c', 2 * MIB)]);
  assert.ok((await store.read(at('being-written'))).equals(whole));
});

for (const writes of [1, 2, 3]) {
  test(`${writes} writes after the picture are kept, whatever the job packs and cuts`, async (t) => {
    const store = await OpenStore.make(t);
    const model = noise('model', 12 * MIB);
    await store.write(at('file'), model);
    await store.snapshot();
    // Two stretches far apart, so that the job swaps twice. They stay in the draft until the picture takes them.
    const open = await store.openFile(at('file'));
    for (const offset of [MIB, 10 * MIB]) {
      await store.writeOpen(open, noise(`early ${offset}`, 1000), offset);
      noise(`early ${offset}`, 1000).copy(model, offset);
    }
    const pictured = Buffer.from(model);
    afterPicture(store, async () => {
      for (let i = 0; i < writes; i++) {
        await store.writeOpen(open, noise(`late ${i}`, 5000), 10 * MIB + i * 100);
        noise(`late ${i}`, 5000).copy(model, 10 * MIB + i * 100);
        await store.vfs.files.flush(open);
      }
    });
    const time = await store.snapshot();
    await store.vfs.files.release(open);
    assert.ok((await store.read(at('file'), MIB)).equals(model), 'the live file has every write');
    assert.ok((await store.read(`${GROUP}/${time}/file`, MIB)).equals(pictured), 'the snapshot has the earlier ones');
    await store.reopen();
    assert.ok((await store.read(at('file'), MIB)).equals(model), 'after a restart, too');
  });
}

test('swaps of a file are given up from the first one refused', async () => {
  const made: string[] = [];
  const versions = new Map([
    [1, 8],
    [2, 7],
  ]);
  const log = {
    backgroundTurn: async () => undefined,
    make(change: Change) {
      if (change.kind !== 'content') return false;
      if (versions.get(change.ino) !== change.ifVersion) return false;
      versions.set(change.ino, (change.ifVersion as number) + 1);
      made.push(`${change.ino}: ${change.start}`);
      return true;
    },
  };
  const swaps = new LiveSwaps(log, { prepare: () => true });
  const swap = (ino: number, start: number, ifVersion: number): Change => {
    const times = { mtimeSec: 0, mtimeNsec: 0, ctimeSec: 0, ctimeNsec: 0 };
    return {
      kind: 'content',
      ino,
      start,
      end: start + 1,
      extents: [],
      size: 9,
      storage: 2,
      chunker: 0,
      ...times,
      ifVersion,
    };
  };
  // Inode 1 was written once since the picture: version 7 became 8, which the second swap would fit by accident.
  swaps.add([swap(1, 10, 7), swap(2, 20, 7)]);
  swaps.add([swap(1, 11, 8), swap(2, 21, 8)]);
  await swaps.settled();
  assert.deepEqual(made, ['2: 20', '2: 21']);
});

test('a job that cannot publish leaves nothing behind, and the next snapshot works', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(at('file'), 'content');
  const open = await store.openFile(at('open'));
  await store.writeOpen(open, noise('open', 3000), 0);
  renameSync(join(store.folder, GROUP), join(store.folder, 'host/away'));
  await assert.rejects(store.snapshot(), /host\/x/);
  renameSync(join(store.folder, 'host/away'), join(store.folder, GROUP));
  await assertNothingLeft(store);
  await store.vfs.files.release(open);
  const time = await store.snapshot();
  assert.equal(readSnapshot(store.folder, GROUP, time).entries.size, 3);
  assert.deepEqual(await store.read(at('open')), noise('open', 3000));
});

test('a job whose thread dies leaves nothing behind, wherever it is', async (t) => {
  const store = await OpenStore.make(t);
  for (let i = 0; i < 40; i++) await store.write(at(`small-${i}`), noise(String(i), 3000));
  await store.live.packer.run();
  for (const moment of ['loaded', 'picture', 'held'] as const) {
    const open = await store.openFile(at(`open-${moment}`));
    await store.writeOpen(open, noise(moment, 200_000), 0);
    const maker = store.makerWith((script, options) => {
      const job = new JobThread(script, options);
      const next = job.next.bind(job);
      job.next = (async (type: 'loaded' | 'picture' | 'published') => {
        if (moment === 'held' && type === 'published') {
          while (heldChunks().length === 0) await new Promise((resolve) => setImmediate(resolve));
          void job.end();
        }
        const message = await next(type);
        if (type === moment) void job.end();
        return message;
      }) as typeof job.next;
      return job;
    });
    await assert.rejects(maker.create(NAME), /ended before it was done/, moment);
    await assertNothingLeft(store);
    await store.vfs.files.release(open);
  }
  const time = await store.snapshot();
  assert.equal(readSnapshot(store.folder, GROUP, time).entries.size, 44);
});

test('what a job may use again is asked of the last commit, not of its picture', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(at('small'), noise('a', 3000));
  const first = await store.snapshot();
  const { index } = await loadIndex(join(store.folder, GROUP, first, METADATA_NAME));
  const digest = Uint8Array.from(index.digest(0));
  const { catalog, chunks } = store.datastore;
  const { durability, parts } = store.live;
  const states = new CatalogChunkStates({ catalog, chunks, durability, log: parts.log });
  lockDigest(digest);
  const maker = store.makerWith((script, options) => {
    const job = new JobThread(script, options);
    const next = job.next.bind(job);
    job.next = (async (type: 'loaded' | 'picture' | 'published') => {
      if (type === 'published') {
        // Its picture is open and shows the chunk as present; now a collector takes it away.
        await states.forget([digest], 'quarantined');
        unlockDigest(digest);
      }
      return next(type);
    }) as typeof job.next;
    return job;
  });
  const made = await maker.create(NAME);
  assert.equal(catalog.chunks.find(digest)?.state, 'present');
  assert.ok(made.addedBytes > 0);
  assert.equal(tryLockDigest(digest), true);
  unlockDigest(digest);
});

test('no mark is taken between a picture and the commit that records the snapshot', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(at('small'), noise('a', 3000));
  const { catalog } = store.datastore;
  let mark: Promise<string[]> | undefined;
  afterPicture(store, async () => {
    mark = betweenPictures(() => catalog.indexFiles.list('', 10).map(({ path }) => path));
  });
  const time = await store.snapshot();
  const marked = await mark;
  assert.ok(marked?.includes(`${GROUP}/${time}/${METADATA_NAME}`), 'the mark came before the record');
});

test('the end of the mount gives a snapshot up cleanly, and no more are made', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(at('file'), noise('file', 300_000));
  let ending: Promise<void> | undefined;
  afterPicture(store, async () => {
    ending = store.snapshots.end();
  });
  const waiting = [store.snapshots.create(NAME), store.snapshots.create(NAME)];
  for (const create of waiting) await assert.rejects(create, isKind('interrupted'));
  await ending;
  await assert.rejects(store.snapshots.create(NAME), isKind('interrupted'));
  await assertNothingLeft(store);
});

test('a folder of that time that somebody else made is neither used nor removed', async (t) => {
  const store = await OpenStore.make(t);
  const time = systemClock.now().seconds - 10;
  const foreign = join(store.folder, GROUP, formatSnapshotTime(time));
  mkdirSync(foreign);
  writeFileSync(join(foreign, 'index.json.blob'), 'of somebody else');
  await assert.rejects(store.snapshots.create(NAME, time), isKind('exists'));
  // Between the look and the job: as if it came at the last moment.
  const maker = store.makerWith(
    (script, options) => new JobThread(script, options),
    async () => false,
  );
  await assert.rejects(maker.create(NAME, time), isKind('exists'));
  assert.equal(readFileSync(join(foreign, 'index.json.blob'), 'utf8'), 'of somebody else');
  assert.equal((await store.snapshots.create(NAME)).entries, 1);
});

test('times: an existing one, an earlier one and a future one are refused; without one the next free second is taken', async (t) => {
  const store = await OpenStore.make(t);
  const now = systemClock.now().seconds;
  await store.snapshots.create(NAME, now - 100);
  await assert.rejects(store.snapshots.create(NAME, now - 100), isKind('exists'));
  await assert.rejects(store.snapshots.create(NAME, now - 200), isKind('invalid'));
  await assert.rejects(store.snapshots.create(NAME, now + 1000), isKind('invalid'));
  await assert.rejects(store.snapshots.create(parseGroupPath('host/none')), isKind('not-found'));
  const made = await Promise.all([1, 2, 3].map(() => store.snapshots.create(NAME)));
  const times = made.map(({ time }) => Date.parse(time) / 1000);
  assert.equal(new Set(times).size, 3);
  assert.deepEqual([...times].sort(), times);
  assert.deepEqual(
    (await store.names(GROUP)).filter((name) => name.startsWith('2')),
    [formatSnapshotTime(now - 100), ...made.map(({ time }) => time)],
  );
});

test('behind a bucket that others may use no name that was forgotten is given again, after a restart neither', async (t) => {
  const store = await OpenStore.make(t);
  const now = systemClock.now().seconds;
  const shared = (): SnapshotService =>
    new SnapshotService(
      Object.create(store.datastore, { objects: { value: { shared: {} } } }) as WritableDatastore,
      store.live,
      silentLog,
    );
  const service = shared();
  await service.create(NAME, now - 50);
  await service.forget(NAME, now - 50);
  for (const again of [service, shared()]) {
    await assert.rejects(again.create(NAME, now - 50), isKind('exists'));
  }
  const { time } = await service.create(NAME);
  await service.forget(NAME, Date.parse(time) / 1000);
  assert.notEqual((await service.create(NAME)).time, time);
  await assert.rejects(service.forget(NAME, now - 20), isKind('not-found'));
});

test('mkdir and rmdir of times in the group folder, with their errors', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(at('file'), 'content');
  const time = formatSnapshotTime(systemClock.now().seconds - 5);
  const made = await store.mkdir(`${GROUP}/${time}`);
  assert.ok(made.node.archive > 0);
  await assert.rejects(store.mkdir(`${GROUP}/${time}`), isKind('exists'));
  for (const name of ['no-time', '2026-02-30T00:00:00Z', '2099-01-01T00:00:00Z', '2001-01-01T00:00:00Z']) {
    await assert.rejects(store.mkdir(`${GROUP}/${name}`), isKind('invalid'), name);
  }
  for (const name of ['latest', 'owner', 'current'])
    await assert.rejects(store.mkdir(`${GROUP}/${name}`), isKind('exists'));
  const { catalog } = store.datastore;
  catalog.snapshots.update(made.node.archive, { isProtected: true });
  await assert.rejects(store.rmdir(`${GROUP}/${time}`), isKind('not-permitted'));
  catalog.snapshots.update(made.node.archive, { isProtected: false });
  const inside = await store.find(`${GROUP}/${time}/file`);
  await store.rmdir(`${GROUP}/${time}`);
  await assert.rejects(async () => store.vfs.attributes.get(inside.node), isKind('stale'));
  await assert.rejects(store.rmdir(`${GROUP}/${time}`), isKind('not-found'));
  await assertNothingLeft(store);
  assert.deepEqual(readdirSync(store.datastore.paths.forgotten), []);
});

test('what a crash interrupted is ended when the store is opened again', async (t) => {
  const store = await OpenStore.make(t);
  await store.write(at('file'), 'content');
  const [kept, forgotten] = [await store.snapshot(), await store.snapshot()];
  const { catalog, paths } = store.datastore;
  const group = catalog.groups.findByName(NAME)?.id ?? 0;
  const facts = { files: [], contentBytes: 0, entries: 0, isProtected: false, notes: '' };
  const publishing = Date.parse(forgotten) / 1000 + 10;
  const row = { ...facts, verifyState: 'none', verifiedAt: 0, state: 'publishing' } as const;
  catalog.snapshots.add(group, publishing, row);
  const half = join(store.folder, GROUP, formatSnapshotTime(publishing));
  mkdirSync(half);
  writeFileSync(join(half, 'root.mpxar.didx'), 'half');
  const like = catalog.indexFiles.find(`${GROUP}/${kept}/root.mpxar.didx`);
  assert.ok(like !== undefined);
  const path = `${GROUP}/${formatSnapshotTime(publishing)}/root.mpxar.didx`;
  catalog.indexFiles.put({ ...like, path }, catalog.indexFiles.gather());
  const going = catalog.snapshots.findByTime(group, Date.parse(forgotten) / 1000);
  catalog.snapshots.update(going?.archive ?? 0, { state: 'forgetting' });
  mkdirSync(join(paths.forgotten, '4711'));
  await store.live.durability.commitDurably();
  await store.abandon();
  await store.open();
  assert.ok(!existsSync(half));
  assert.deepEqual(await store.names(GROUP), [kept, 'current', 'latest', 'owner']);
  assert.deepEqual(readdirSync(join(store.folder, GROUP)).sort(), [kept, 'owner']);
  assert.deepEqual(readdirSync(store.datastore.paths.forgotten), []);
  const left = store.datastore.catalog.indexFiles.list('', 100).map((file) => file.path);
  assert.deepEqual(
    left,
    ['cairn.attrs', 'root.mpxar', 'root.ppxar'].map((name) => `${GROUP}/${kept}/${name}.didx`),
  );
});
