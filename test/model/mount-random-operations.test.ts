import { test } from 'node:test';
import { withStore } from '../support/mounted-store.js';
import { operateOnFolders, operateOnMount } from '../support/random-operations.js';
import { temporaryFolder } from '../support/temporary-folder.js';

/** CAIRN_SEED replays a run. */
const seed = Number(process.env.CAIRN_SEED ?? Date.now() % 1_000_000);

test(`random operations do the same to two plain folders (CAIRN_SEED=${seed})`, async (t) => {
  await operateOnFolders(temporaryFolder(t), seed, { batches: 1, operations: 1000 });
});

test(`random operations do to the mount what they do to a plain folder (CAIRN_SEED=${seed})`, async () => {
  await withStore((store) => operateOnMount(store, seed, { batches: 4, operations: 1000 }));
});
