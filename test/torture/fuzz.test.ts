import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { datastorePaths } from '../../src/datastore/paths.js';
import { makeCatalog } from '../support/catalog.js';
import { ARCHIVE_FORMATS } from '../support/fuzz/archive-formats.js';
import { CHUNK_FORMATS } from '../support/fuzz/chunk-formats.js';
import { MadKernel } from '../support/fuzz/fuse-requests.js';
import { JOURNAL_FORMATS, journalOn } from '../support/fuzz/journal-formats.js';
import { catalogCopies, OWN_FORMATS, ownFiles } from '../support/fuzz/own-formats.js';
import { type FuzzTally, fuzz } from '../support/fuzz/run.js';
import { TEXT_FORMATS } from '../support/fuzz/text-formats.js';
import { TestVfs } from '../support/live-vfs.js';
import { Random, seedOfRun } from '../support/random.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { recordFigures, tortureSeconds } from '../support/torture-figures.js';

const CASES_A_ROUND = 1000;
/** Requests before the tree and the kernel's memory of it are made anew. */
const REQUESTS_A_ROUND = 3000;
/** How many cases issue 5 demands; at some 2,000 a second. */
const DEMANDED_MINUTES = 15;

test('damaged input of every format is refused, never worse', async (t) => {
  const seed = seedOfRun(t);
  const { catalog } = makeCatalog(t);
  catalog.transactions.commit(0);
  catalog.transactions.begin();
  const paths = datastorePaths(temporaryFolder(t));
  mkdirSync(paths.own);
  const files = [...CHUNK_FORMATS, ...ARCHIVE_FORMATS, ...JOURNAL_FORMATS, ...TEXT_FORMATS, ...OWN_FORMATS];
  const targets = [...files, journalOn(catalog), ownFiles(paths), catalogCopies(paths)];
  const sum: FuzzTally = { cases: 0, repaired: 0, refused: 0, accepted: 0 };
  const end = performance.now() + tortureSeconds(DEMANDED_MINUTES) * 1000;
  for (let round = 0; performance.now() < end; round += 1) {
    for (const target of targets) {
      const tally = await fuzz(target, seed + round, CASES_A_ROUND * (target.share ?? 1));
      for (const key of Object.keys(sum) as (keyof FuzzTally)[]) sum[key] += tally[key];
    }
  }
  recordFigures('fuzz-formats', seed, { ...sum });
});

test('whatever the kernel asks is answered once, and never by a failure of ours', async (t) => {
  const seed = seedOfRun(t);
  const sum = { requests: 0, wellFormed: 0, succeeded: 0 };
  const end = performance.now() + tortureSeconds(DEMANDED_MINUTES) * 1000;
  let rounds = 0;
  for (; performance.now() < end; rounds += 1) {
    const round = rounds;
    // Each a test of its own: its store goes with it, before the next one takes as much room.
    await t.test(`round ${round}`, async (t) => {
      const tree = await TestVfs.make(t);
      const mad = new MadKernel(tree, new Random(seed + round));
      for (let number = 0; number < REQUESTS_A_ROUND; number += 1) {
        const failure = await mad.ask();
        assert.ok(failure === undefined, `request ${number}, CAIRN_SEED=${seed + round}: ${failure}`);
      }
      await mad.closeAll();
      for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += mad.tally[key];
      tree.store.close();
    });
  }
  // A round that fails does not end the others.
  assert.equal(sum.requests, rounds * REQUESTS_A_ROUND, 'a round failed');
  recordFigures('fuzz-requests', seed, sum);
});
