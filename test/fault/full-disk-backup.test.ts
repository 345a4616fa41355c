import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { silentLog } from '../../src/core/log.js';
import { runUnmountedBackup } from '../../src/daemon/unmounted-backup.js';
import { createDatastore } from '../../src/datastore/create.js';
import { openDatastoreReader } from '../../src/datastore/open.js';
import { datastorePaths } from '../../src/datastore/paths.js';
import { Reserve } from '../../src/datastore/reserve.js';
import { ofKind } from '../support/catalog.js';
import { noise } from '../support/noise.js';
import { fillDisk, memoryDisk, NEEDS_ROOT } from '../support/small-disk.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const MIB = 1024 * 1024;

interface SmallStore {
  readonly store: string;
  readonly disk: string;
  backUp(): Promise<unknown>;
}

/** A store on a disk of 64 MiB, and a folder of so many bytes to back up. */
async function smallStore(t: TestContext, bytes: number): Promise<SmallStore> {
  const disk = memoryDisk(t, 64);
  const [store, source] = [join(disk, 'store'), join(temporaryFolder(t), 'source')];
  mkdirSync(source);
  writeFileSync(join(source, 'file'), noise('backup', bytes));
  await createDatastore(store, { reserveBytes: 4 * MIB });
  const scope = { excludes: [], oneFileSystem: false, excludeCaches: false, dryRun: false };
  const context = { progress: () => undefined, signal: new AbortController().signal };
  const backUp = () => runUnmountedBackup(store, { ...scope, source, group: 'host/x' }, context, silentLog);
  return { store, disk, backUp };
}

async function chunkCount(store: string): Promise<number> {
  const reader = await openDatastoreReader(store);
  try {
    let chunks = 0;
    for await (const _ of reader.backend.list('.chunks')) chunks += 1;
    return chunks;
  } finally {
    reader.close();
  }
}

test('while the reserve is given up a backup stores nothing, until there is room again', {
  skip: NEEDS_ROOT,
}, async (t) => {
  const { store, disk, backUp } = await smallStore(t, MIB);
  assert.equal(Reserve.open(datastorePaths(store).reserve).giveUp(), true);
  const before = await chunkCount(store);
  const rest = join(disk, 'rest');
  writeFileSync(rest, Buffer.alloc(2 * MIB));
  const empty = fillDisk(disk);
  // Enough for the backup, but not for the reserve.
  rmSync(rest);
  await assert.rejects(backUp(), ofKind('no-space'));
  assert.equal(await chunkCount(store), before);
  empty();
  await backUp();
  assert.ok((await chunkCount(store)) > before);
});

test('a backup that does not fit says what becomes of what was stored', { skip: NEEDS_ROOT }, async (t) => {
  const { backUp } = await smallStore(t, 80 * MIB);
  await assert.rejects(backUp(), /no room for the backup: no snapshot was made, and "cairn gc --grace 0" frees/);
});
