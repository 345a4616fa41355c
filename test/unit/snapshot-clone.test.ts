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
/** What may still be made once a commit holds requests: the rest of a step or two. */
const FEW_CHANGES = 300;

interface CloningStore {
  readonly store: OpenStore;
  /** Clones the snapshot in place of whatever host/y has. */
  clone(onEntry: (entries: number) => void): Promise<unknown>;
  /** Changes that were made while a commit held background work. */
  readonly whileHeld: number[];
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
  const whileHeld: number[] = [];
  const { log } = store.live.parts;
  const hold = log.holdBackground.bind(log);
  t.mock.method(log, 'holdBackground', () => {
    const [letGo, before] = [hold(), log.lastSequence];
    return () => {
      whileHeld.push(log.lastSequence - before);
      letGo();
    };
  });
  return { store, whileHeld, clone: (onEntry) => clones.clone({ source, path: '', ...target, signal, onEntry }) };
}

test('a commit comes to its end while a tree is cloned', async (t) => {
  const { store, clone, whileHeld } = await cloningStore(t);
  let commit: Promise<void> | undefined;
  await clone(() => {
    commit ??= store.live.durability.commitDurably();
  });
  await commit;
  assert.ok(whileHeld[0]! <= FEW_CHANGES, `${whileHeld[0]} changes were made before the commit was over`);
});

test('a commit comes to its end while a tree that was replaced is removed', async (t) => {
  const { store, clone, whileHeld } = await cloningStore(t);
  await clone(() => undefined);
  const { log } = store.live.parts;
  const make = log.make.bind(log);
  let commit: Promise<void> | undefined;
  t.mock.method(log, 'make', (change: Parameters<typeof make>[0]) => {
    if (change.kind === 'unlink' && commit === undefined) {
      whileHeld.length = 0;
      commit = store.live.durability.commitDurably();
    }
    return make(change);
  });
  await clone(() => undefined);
  await commit;
  assert.ok(whileHeld[0]! <= FEW_CHANGES, `${whileHeld[0]} changes were made before the commit was over`);
  assert.deepEqual(store.datastore.catalog.orphans.list(0, 1), []);
});
