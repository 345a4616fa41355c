import { test } from 'node:test';
import { EXERCISES, exercise, exerciseMount } from '../support/exercise-files.js';
import { withStore } from '../support/mounted-store.js';
import { temporaryFolder } from '../support/temporary-folder.js';

// Reads, writes, appends, mappings, truncation, holes, copied ranges and more, each handle with random flags.

/** CAIRN_SEED replays a run. */
const seed = Number(process.env.CAIRN_SEED ?? Date.now() % 1_000_000);
const ROUNDS = 4;

test(`the exerciser of files has the right idea of what files do (CAIRN_SEED=${seed})`, async (t) => {
  const folder = temporaryFolder(t);
  // On ext4 (Linux 6.18) what a mapping left behind the end of a file comes back when a direct write extends it.
  for (const { maxBytes } of EXERCISES)
    await exercise(seed, { maxBytes, operations: 2000, cleanTails: true }, `${folder}/files`, `${folder}/images`);
});

test(`files hold what random operations leave in them, over remounts and killed daemons (CAIRN_SEED=${seed})`, async () => {
  await withStore((store) => exerciseMount(store, 'host/x', seed, ROUNDS), { groups: ['host/x'] });
});
