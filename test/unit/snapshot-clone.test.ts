import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { parseGroupPath } from '../../src/core/group.js';
import { silentLog } from '../../src/core/log.js';
import { parseTreeName } from '../../src/core/tree-name.js';
import { CloneService } from '../../src/daemon/clone-service.js';
import { GROUP, OpenStore } from '../support/open-store.js';

const ENTRIES = 3000;
/** Turns of the event loop a sync takes: many steps of a clone would fit. */
const TURNS_OF_A_SYNC = 5;

interface CloningStore {
  readonly store: OpenStore;
  /** Clones the snapshot in place of whatever host/y has. */
  clone(onEntry: (entries: number) => void): Promise<unknown>;
}

/** A store with a snapshot of many entries, on a disk that takes its time to sync. */
async function cloningStore(t: TestContext): Promise<CloningStore> {
  const store = await OpenStore.make(t);
  for (let number = 0; number < ENTRIES; number += 1) await store.write(`${GROUP}/current/${number}`, '');
  const time = await store.snapshot();
  await store.mkdir('host/y');
  const clones = new CloneService(store.datastore, store.live, store.snapshots, silentLog, {
    mountedGroup: undefined,
    dropOrphan: (ino) => store.live.parts.log.make({ kind: 'drop-orphan', ino }),
    onPlaced: () => undefined,
  });
  const { chunks } = store.datastore;
  const sync = chunks.sync.bind(chunks);
  t.mock.method(chunks, 'sync', async () => {
    for (let turns = 0; turns < TURNS_OF_A_SYNC; turns += 1) await new Promise((resolve) => setImmediate(resolve));
    await sync();
  });
  const source = parseTreeName(`${GROUP}/${time}`);
  const target = { group: parseGroupPath('host/y'), targetPath: '', replace: true };
  const { signal } = new AbortController();
  return { store, clone: (onEntry) => clones.clone({ source, path: '', ...target, signal, onEntry }) };
}

test('a commit comes to its end while a tree is cloned', async (t) => {
  const { store, clone } = await cloningStore(t);
  let cloned = 0;
  let cloning: Promise<unknown> | undefined;
  await new Promise<void>((begun) => {
    cloning = clone((entries) => {
      cloned = entries;
      begun();
    });
  });
  await store.live.durability.commitDurably();
  assert.ok(cloned < ENTRIES / 2, `${cloned} of ${ENTRIES} entries were cloned before the commit was over`);
  await cloning;
});

test('a commit comes to its end while a tree that was replaced is removed', async (t) => {
  const { store, clone } = await cloningStore(t);
  await clone(() => undefined);
  const { log } = store.live.parts;
  const make = log.make.bind(log);
  let left = ENTRIES;
  let replacing: Promise<unknown> | undefined;
  await new Promise<void>((removing) => {
    t.mock.method(log, 'make', (change: Parameters<typeof make>[0]) => {
      if (change.kind === 'unlink') left -= 1;
      if (left < ENTRIES - 100) removing();
      return make(change);
    });
    replacing = clone(() => undefined);
  });
  await store.live.durability.commitDurably();
  assert.ok(left > ENTRIES / 2, `${ENTRIES - left} of ${ENTRIES} entries were removed before the commit was over`);
  await replacing;
  assert.deepEqual(store.datastore.catalog.orphans.list(0, 1), []);
});
