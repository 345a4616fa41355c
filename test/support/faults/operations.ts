import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { noise } from '../noise.js';
import { readTree } from '../read-tree.js';
import { CommandFailed, type FaultOperation, type FaultyStore } from './faulty-store.js';
import { contentHash, GROUP, writeSynced } from './files.js';

/** Beyond what is packed, so that it has chunks of its own; short, so that a trial is. */
const LARGE_BYTES = 400_000;
const SMALL_BYTES = 2000;
const HOUR_SECONDS = 3600;
const CLONED = 'host/cloned';
const BACKED_UP = 'host/backup';
/** The one chunk of a file, which nothing else has, so that it can be damaged. */
const VICTIM = noise('victim', 200_000);

/** A new file. What a failed one left goes: nothing was promised of it. */
function writing(bytes: number): FaultOperation {
  return {
    run: (store) => store.files.write(bytes),
    settle: (store) => store.files.removeOthers(),
  };
}

/** A file that stands is replaced, as programs do it that care. */
const replacing: FaultOperation = {
  prepare: (store) => store.files.write(SMALL_BYTES),
  run: (store) =>
    store.files.replaceNewest(LARGE_BYTES, (path, content) => {
      const temporary = join(store.files.folder, 'temporary');
      writeSynced(temporary, content);
      renameSync(temporary, path);
    }),
  settle: (store) => store.files.removeOthers(),
};

const syncing: FaultOperation = {
  prepare: (store) => leaveUnsynced(store),
  run: async (store) => void (await store.ask('sync', {})),
};

const snapshotting: FaultOperation = {
  prepare: (store) => leaveUnsynced(store),
  run: async (store) => void (await store.ask('snapshot-create', { group: GROUP })),
};

const forgetting: FaultOperation = {
  prepare: async (store) => void (await store.snapshots.make()),
  run: async (store) => {
    const time = (await store.snapshots.times()).at(-1) as string;
    store.snapshots.leaving([time]);
    await store.ask('snapshot-forget', { snapshot: `${GROUP}/${time}` });
  },
  settle: async (store) => {
    const times = await store.snapshots.times();
    if (times.length > 1) await store.snapshots.forget(times.at(-1) as string);
  },
};

const pruning: FaultOperation = {
  prepare: async (store) => {
    for (let i = 0; i < 2; i++) await store.snapshots.make();
  },
  run: prune,
  settle: async (store) => {
    // A removal that was broken off is ended by the next mount; until then pruning calls the snapshot busy.
    await store.store.remount();
    await prune(store);
    assert.equal((await store.snapshots.times()).length, 1);
  },
};

/** Where snapshots cannot be listed none of them goes. */
async function prune(store: FaultyStore): Promise<void> {
  store.snapshots.leaving((await store.snapshots.times()).slice(0, -1));
  await store.ask('prune', { groups: [GROUP], keep: { last: 1 }, dryRun: false });
}

/** A live tree of its own becomes what a snapshot is: whole, or not at all. */
const cloning: FaultOperation = {
  prepare: async (store) => {
    await store.snapshots.make();
    await clone(store, (await store.snapshots.times())[0] as string);
  },
  run: async (store) => clone(store, (await store.snapshots.times()).at(-1) as string),
  settle: async (store) => {
    const times = await store.snapshots.times();
    const found = await readTree(join(store.store.mountpoint, CLONED, 'current'));
    const either = [times[0], times.at(-1)].map((time) => store.snapshots.contentOf(time as string));
    assert.ok(
      either.some((tree) => sameTree(tree, found)),
      'a clone is neither what it was nor what it was to be',
    );
    await clone(store, times.at(-1) as string);
    await store.snapshots.forget(times.at(-1) as string);
  },
};

async function clone(store: FaultyStore, time: string): Promise<void> {
  const source = { source: `${GROUP}/${time}`, path: '' };
  await store.ask('tree-clone', { ...source, group: CLONED, targetPath: '', replace: true });
}

function sameTree(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([name, hash]) => b.get(name) === hash);
}

function collecting(graceSeconds: number, full = false): FaultOperation {
  return {
    prepare: async (store) => {
      await makeGarbage(store);
    },
    run: async (store) => collect(store, graceSeconds, full),
    settle: async (store) => {
      await collect(store, graceSeconds, full);
      await collect(store, 0);
    },
  };
}

const expiring: FaultOperation = {
  prepare: async (store) => {
    await makeGarbage(store);
    await collect(store, HOUR_SECONDS);
  },
  run: async (store) => collect(store, 0),
  settle: async (store) => {
    await collect(store, 0);
    assert.deepEqual((await store.ask('gc-status', {})).quarantined, { chunks: 0, bytes: 0 });
  },
};

const undeleting: FaultOperation = {
  prepare: expiring.prepare as (store: FaultyStore) => Promise<void>,
  run: async (store) => void (await store.ask('gc-undelete', { digests: null })),
  settle: async (store) => {
    const { missing } = await store.ask('gc-undelete', { digests: null });
    assert.equal(missing, 0);
    assert.deepEqual((await store.ask('gc-status', {})).quarantined, { chunks: 0, bytes: 0 });
    await collect(store, 0);
  },
};

/** Chunks that nothing needs: of a large file, and part of a pack. */
async function makeGarbage(store: FaultyStore): Promise<void> {
  const paths = ['garbage-large', 'garbage-small', 'no-garbage'].map((name) => join(store.files.folder, name));
  for (const [at, path] of paths.entries()) writeSynced(path, store.random.bytes(at === 0 ? LARGE_BYTES : 5000));
  // Packs what is to be packed.
  await store.snapshots.forget(await store.snapshots.make());
  for (const path of paths.slice(0, -1)) rmSync(path);
  await store.ask('catalog-commit', {});
}

async function collect(store: FaultyStore, graceSeconds: number, full = false): Promise<void> {
  await store.ask('gc', { dryRun: false, full, graceSeconds });
}

/** A chunk that is damaged on the disk is found, and set aside. */
const condemning: FaultOperation = {
  prepare: async (store) => damage(store),
  run: async (store) => void (await verify(store)),
  settle: async (store) => {
    assert.equal(await verify(store), 1, 'just the chunk that is damaged is named');
    await heal(store);
  },
};

/** A file is written again of which a chunk was set aside. */
const healing: FaultOperation = {
  prepare: async (store) => {
    await damage(store);
    await verify(store);
  },
  run: async (store) => {
    writeSynced(victimOf(store), VICTIM);
    await store.ask('sync', {});
  },
  settle: heal,
};

/** A chunk that was set aside is stored anew from a folder that has its bytes. */
const repairing: FaultOperation = {
  prepare: async (store) => {
    await damage(store);
    await verify(store);
    mkdirSync(sourceOf(store), { recursive: true });
    writeFileSync(join(sourceOf(store), 'victim'), VICTIM);
  },
  run: async (store) => void (await repair(store)),
  settle: async (store) => {
    assert.deepEqual(
      (await repair(store)).filter((outcome) => outcome !== 'healed'),
      [],
    );
    rmSync(sourceOf(store), { recursive: true });
    assert.equal(await verify(store), 0, 'nothing is damaged after a repair');
    assert.ok(readFileSync(victimOf(store)).equals(VICTIM));
  },
};

async function damage(store: FaultyStore): Promise<void> {
  writeSynced(victimOf(store), VICTIM);
  await store.ask('sync', {});
  const digest = contentHash(VICTIM);
  const chunk = join(store.store.store, '.chunks', digest.slice(0, 2), digest);
  const blob = readFileSync(chunk);
  blob.writeUInt8(blob.readUInt8(100) ^ 1, 100);
  writeFileSync(chunk, blob);
}

/** @returns how many chunks are damaged */
async function verify(store: FaultyStore): Promise<number> {
  const { damaged } = await store.ask('verify-chunks', { maxAgeDays: 0, spread: false, bytesPerSecond: null });
  return damaged.length;
}

async function heal(store: FaultyStore): Promise<void> {
  writeSynced(victimOf(store), VICTIM);
  await store.ask('sync', {});
  assert.equal(await verify(store), 0, 'what was written again is whole');
}

async function repair(store: FaultyStore): Promise<string[]> {
  const { chunks } = await store.ask('repair', { from: sourceOf(store), apply: true });
  return chunks.map(({ outcome }) => outcome);
}

const victimOf = (store: FaultyStore): string => join(store.files.folder, 'victim');
const sourceOf = (store: FaultyStore): string => join(store.store.folder, 'source');

const restoring: FaultOperation = {
  prepare: (store) => mkdirSync(join(store.store.folder, 'restored')),
  run: async (store) => restore(store),
  settle: async (store) => {
    await restore(store);
    rmSync(join(store.store.folder, 'restored'), { recursive: true });
  },
};

async function restore(store: FaultyStore): Promise<void> {
  const [time] = await store.snapshots.times();
  const target = join(store.store.folder, 'restored');
  store.command('restore', '--overwrite', 'always', `${GROUP}/${time}`, target);
  assert.deepEqual(await readTree(target), store.snapshots.contentOf(time as string), 'what was restored');
}

const backingUp: FaultOperation = {
  prepare: (store) => {
    const source = sourceOf(store);
    mkdirSync(source, { recursive: true });
    writeFileSync(join(source, 'small'), store.random.bytes(SMALL_BYTES));
    writeFileSync(join(source, 'large'), store.random.bytes(LARGE_BYTES));
  },
  run: async (store) => backUp(store),
  settle: async (store) => {
    await backUp(store);
    const times = await store.snapshots.times(BACKED_UP);
    const newest = await readTree(join(store.store.mountpoint, BACKED_UP, times.at(-1) as string));
    assert.deepEqual(newest, await readTree(sourceOf(store)), 'what was backed up');
    for (const time of times) await store.ask('snapshot-forget', { snapshot: `${BACKED_UP}/${time}` });
    rmSync(sourceOf(store), { recursive: true });
  },
};

async function backUp(store: FaultyStore): Promise<void> {
  const none = { excludes: [], oneFileSystem: false, excludeCaches: false, dryRun: false };
  await store.ask('backup', { source: sourceOf(store), group: BACKED_UP, ...none });
}

/** The mount of a store whose daemon was killed: what its journal has and the catalog lacks is brought back. */
const recovering: FaultOperation = {
  prepare: async (store) => {
    leaveUnsynced(store);
    await store.store.kill9();
  },
  run: async (store) => {
    if (!(await store.store.mountUnless('refused'))) throw new CommandFailed(store.store.log.lastWords());
  },
  settle: (store) => mountAgain(store),
};

const unmounting: FaultOperation = {
  prepare: (store) => leaveUnsynced(store),
  run: async (store) => {
    const refusal = await store.store.umountUnlessRefused();
    if (refusal !== undefined) throw new CommandFailed(refusal);
  },
  settle: (store) => mountAgain(store),
};

async function mountAgain(store: FaultyStore): Promise<void> {
  if (store.store.isMounted) await store.store.umount();
  await store.store.mount();
  store.files.compare({ mountedAnew: true });
}

/** Files that are closed, and so survive the daemon's end, but not synced. */
function leaveUnsynced(store: FaultyStore): void {
  for (const bytes of [SMALL_BYTES, LARGE_BYTES]) store.files.write(bytes, { synced: false });
}

/** Everything that is done to a store, by name. */
export const FAULT_OPERATIONS: Readonly<Record<string, FaultOperation>> = {
  'write-small': writing(SMALL_BYTES),
  'write-large': writing(LARGE_BYTES),
  replace: replacing,
  sync: syncing,
  snapshot: snapshotting,
  forget: forgetting,
  prune: pruning,
  clone: cloning,
  gc: collecting(0),
  'gc-full': collecting(0, true),
  quarantine: collecting(HOUR_SECONDS),
  expire: expiring,
  undelete: undeleting,
  condemn: condemning,
  heal: healing,
  repair: repairing,
  restore: restoring,
  backup: backingUp,
  mount: recovering,
  umount: unmounting,
};
