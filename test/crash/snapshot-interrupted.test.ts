import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openCatalogReader } from '../../src/catalog/open-reader.js';
import { until } from '../support/commands.js';
import { MAIN, type TestStore, withStore } from '../support/mounted-store.js';

const GROUP = 'host/x';

/** Files enough for a snapshot to take a while. */
function fill(store: TestStore): void {
  for (let folder = 0; folder < 20; folder++) {
    const path = join(store.mountpoint, GROUP, 'current', String(folder));
    mkdirSync(path);
    for (let i = 0; i < 150; i++) writeFileSync(join(path, String(i)), `content of ${folder}/${i}`);
  }
}

/** Starts a snapshot and resolves when it has begun. */
async function begunSnapshot(store: TestStore): Promise<ChildProcess> {
  const env = { ...process.env, CAIRN_STORE: store.store };
  const child = spawn(process.execPath, [MAIN, 'snapshot', 'create', GROUP], { stdio: 'ignore', env });
  const catalog = openCatalogReader(join(store.store, '.cairn/catalog.db'));
  try {
    await until('a snapshot that is being made', () =>
      catalog.groups.list().some(({ id }) => catalog.snapshots.list(id).length > 0),
    );
  } finally {
    catalog.close();
  }
  return child;
}

const exitOf = async (child: ChildProcess): Promise<unknown> => child.exitCode ?? (await once(child, 'exit'))[0];

test('a daemon killed while it makes a snapshot leaves all of it or nothing, and the next one works', async () => {
  await withStore(
    async (store) => {
      fill(store);
      const child = await begunSnapshot(store);
      await store.kill9();
      assert.notEqual(await exitOf(child), 0);
      await store.mount();
      const group = join(store.mountpoint, GROUP);
      // Where the kill came too late, the snapshot is whole; else there is nothing of it.
      const shown = readdirSync(group).filter((name) => !['current', 'latest'].includes(name));
      assert.deepEqual(readdirSync(join(store.store, GROUP)).sort(), shown.sort());
      for (const name of shown.filter((name) => name !== 'owner')) {
        assert.equal(readFileSync(join(group, name, '19/149'), 'utf8'), 'content of 19/149');
      }
      store.cairn('snapshot', 'create', GROUP);
      assert.equal(readFileSync(join(group, 'latest/19/149'), 'utf8'), 'content of 19/149');
      assert.deepEqual(store.status().problems, []);
    },
    { groups: [GROUP] },
  );
});

test('unmounting waits for a snapshot that is being made', async () => {
  await withStore(
    async (store) => {
      fill(store);
      const child = await begunSnapshot(store);
      await store.umount();
      assert.equal(await exitOf(child), 0);
      await store.mount();
      assert.equal(readFileSync(join(store.mountpoint, GROUP, 'latest/0/0'), 'utf8'), 'content of 0/0');
    },
    { groups: [GROUP] },
  );
});
