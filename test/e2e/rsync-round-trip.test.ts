import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkAllChunks, chunkFiles } from '../support/check-chunks.js';
import { outputOf } from '../support/commands.js';
import { assertSameTree } from '../support/compare-trees.js';
import { makeOddTree } from '../support/make-odd-tree.js';
import { type TestStore, withStore } from '../support/mounted-store.js';

/** rsyncs a tree into `host/x/current`, takes a snapshot, and compares both with the source before and after a remount. */
async function roundTrip(store: TestStore, source: string): Promise<void> {
  const group = join(store.mountpoint, 'host/x');
  const current = join(group, 'current');
  outputOf('rsync', ['-aHAX', '--modify-window=-1', '--numeric-ids', `${source}/`, `${current}/`], {
    limitMilliseconds: 600_000,
  });
  assertSameTree(source, current);
  store.cairn('snapshot', 'create', 'host/x');
  await store.remount();
  const snapshots = readdirSync(group).filter((name) => /^\d{4}-/.test(name));
  assert.equal(snapshots.length, 1);
  assertSameTree(source, current);
  assertSameTree(source, join(group, snapshots[0] as string));
}

function assertChunksGood(store: TestStore): void {
  const [first] = chunkFiles(store.store);
  assert.match(first ?? '', /\/\.chunks\/([0-9a-f]{2})\/\1[0-9a-f]{62}$/);
  assert.ok(checkAllChunks(store.store) > 10);
}

test('a tree with every type of file comes back the same, live and from a snapshot', async () => {
  const source = mkdtempSync(join(tmpdir(), 'cairn-odd-'));
  try {
    makeOddTree(join(source, 'tree'));
    await withStore(
      async (store) => {
        await roundTrip(store, join(source, 'tree'));
        await store.umount();
        assertChunksGood(store);
      },
      { groups: ['host/x'] },
    );
  } finally {
    outputOf('rm', ['-rf', source]);
  }
});

test('/usr/include comes back the same, and every chunk is named by its content', async () => {
  await withStore(
    async (store) => {
      await roundTrip(store, '/usr/include');
      await store.umount();
      assertChunksGood(store);
    },
    { groups: ['host/x'] },
  );
});
