import assert from 'node:assert/strict';
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CairnError } from '../../src/core/errors.js';
import { readConfig } from '../../src/datastore/config.js';
import { openObjects } from '../../src/datastore/object-store.js';
import { restoreIndexes } from '../../src/maintenance/spread/restore-indexes.js';
import { runCare } from '../support/care.js';
import { isKind } from '../support/kinds.js';
import { noise } from '../support/noise.js';
import { GROUP, OpenStore } from '../support/open-store.js';
import { MemorySpread } from '../support/spread.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const IDS = ['d0', 'd1', 'd2', 'd3', 'd4'];

/** A closed store over `IDS` with a snapshot whose folder it has lost, and what was in that. */
async function storeWithoutSnapshots(t: TestContext) {
  const { store, disks } = await OpenStore.spread(t, IDS.length, 'ec:2+1');
  await store.write(`${GROUP}/current/file`, noise('file', 100_000));
  const snapshot = join(store.folder, GROUP, await store.snapshot());
  await runCare(t, store, 'copy-indexes', {});
  const config = readConfig(store.datastore.paths);
  await store.close();
  const files = readdirSync(snapshot).sort();
  const lose = () => rmSync(join(store.folder, GROUP), { recursive: true, force: true });
  lose();
  const restore = async (): Promise<string[]> => {
    const { spread, close } = await openObjects(store.folder, config);
    try {
      assert.ok(spread);
      await restoreIndexes(store.folder, spread.spread);
      return readdirSync(snapshot).sort();
    } finally {
      close();
      lose();
    }
  };
  return { disks, files, restore };
}

async function without<T>(disks: string, ids: readonly string[], work: () => Promise<T>): Promise<T> {
  for (const id of ids) renameSync(join(disks, id), join(disks, `away-${id}`));
  try {
    return await work();
  } finally {
    for (const id of ids) renameSync(join(disks, `away-${id}`), join(disks, id));
  }
}

test('what a folder lost is brought back while as many backends are silent as may be lost', async (t) => {
  const { disks, files, restore } = await storeWithoutSnapshots(t);
  assert.ok(files.length > 3);
  assert.deepEqual(await restore(), files);
  for (const id of IDS) assert.deepEqual(await without(disks, [id], restore), files);
});

test('where more are silent, what only they may have is not taken for absent', async (t) => {
  const { disks, restore } = await storeWithoutSnapshots(t);
  for (const [at, id] of IDS.entries()) {
    for (const other of IDS.slice(at + 1)) {
      const said = new RegExp(`^Cannot bring index files back from the backends ${id} \\(.*${other} \\(.*--lost`);
      await without(disks, [id, other], () => assert.rejects(restore(), isKind('unreachable', said)));
    }
  }
});

test('a file whose copies cannot be read is told of', async (t) => {
  const spread = await MemorySpread.open(3, 'mirror:2');
  const [name, path] = ['.cairn/indexes/host/x/owner', 'host/x/owner'];
  for (const { real } of spread.stores.slice(0, 2)) await real.put(name, Buffer.from('root@pam'));
  const unreadable = async (): Promise<Buffer> => {
    throw new CairnError('io', 'made to fail');
  };
  const [first, second] = spread.stores;
  assert.ok(first && second);
  const get = first.get.bind(first);
  for (const store of [first, second]) {
    const read = store.get.bind(store);
    store.get = (asked) => (asked === name ? unreadable() : read(asked));
  }
  const folder = temporaryFolder(t);
  const said = new RegExp(
    `^Cannot bring ${path} back from the backends d\\d \\(made to fail\\), d\\d \\(made to fail\\):`,
  );
  await assert.rejects(restoreIndexes(folder, spread.backend), isKind('unreachable', said));
  first.get = get;
  assert.equal(await restoreIndexes(folder, spread.backend), 1);
});
