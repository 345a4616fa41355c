import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { datastorePaths } from '../../src/datastore/paths.js';
import { makeCatalog } from '../support/catalog.js';
import { ARCHIVE_FORMATS } from '../support/fuzz/archive-formats.js';
import { BUCKET_FORMATS } from '../support/fuzz/bucket-formats.js';
import { CHUNK_FORMATS } from '../support/fuzz/chunk-formats.js';
import { controlAnswers, controlRequests } from '../support/fuzz/control-messages.js';
import { Footprint } from '../support/fuzz/footprint.js';
import { MadKernel, type RequestTally } from '../support/fuzz/fuse-requests.js';
import { JOURNAL_FORMATS, journalOn } from '../support/fuzz/journal-formats.js';
import { catalogCopies, OWN_FORMATS, ownFiles } from '../support/fuzz/own-formats.js';
import { type FuzzTally, fuzz } from '../support/fuzz/run.js';
import { TEXT_FORMATS } from '../support/fuzz/text-formats.js';
import { TestVfs } from '../support/live-vfs.js';
import { Random, seedOfRun } from '../support/random.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { recordFigures } from '../support/torture-figures.js';

const CASES_A_ROUND = 1000;
/** Requests before the tree and the kernel's memory of it are made anew. */
const REQUESTS_A_ROUND = 3000;
/** How many cases issue 5 demands of each; `CAIRN_CASES` for another number. A line of figures is for a part of them. */
const WANTED = Number(process.env.CAIRN_CASES ?? 1_000_000);
const PART = 250_000;
/** Rounds after which a process holds all that it keeps for good. */
const WARM_UP = 10;
const MIB = 1024 * 1024;

test('damaged input of every format is refused, never worse', async (t) => {
  const seed = seedOfRun(t);
  const { catalog } = makeCatalog(t);
  catalog.transactions.commit(0);
  catalog.transactions.begin();
  const paths = datastorePaths(temporaryFolder(t));
  mkdirSync(paths.own);
  const files = [
    ...CHUNK_FORMATS,
    ...ARCHIVE_FORMATS,
    ...JOURNAL_FORMATS,
    ...TEXT_FORMATS,
    ...OWN_FORMATS,
    ...BUCKET_FORMATS,
  ];
  const others = [await controlRequests(t), await controlAnswers(t)];
  const targets = [...files, ...others, journalOn(catalog), ownFiles(paths), catalogCopies(paths)];
  let footprint: Footprint | undefined;
  let round = 0;
  for (let cases = 0; cases < WANTED; ) {
    const sum: FuzzTally = { cases: 0, repaired: 0, refused: 0, accepted: 0 };
    for (; sum.cases < Math.min(PART, WANTED - cases); round += 1) {
      if (round === WARM_UP) footprint = new Footprint();
      for (const target of targets) {
        const tally = await fuzz(target, seed + round, CASES_A_ROUND * (target.share ?? 1));
        for (const key of Object.keys(sum) as (keyof FuzzTally)[]) sum[key] += tally[key];
      }
    }
    cases += sum.cases;
    const grown = (await footprint?.requireHeld('all formats')) ?? 0;
    recordFigures('fuzz-formats', seed, { ...sum, grownMib: Math.ceil(grown / MIB) });
  }
});

test('whatever the kernel asks is answered once, and never by a failure of ours', async (t) => {
  const seed = seedOfRun(t);
  let footprint: Footprint | undefined;
  let rounds = 0;
  for (let requests = 0; requests < WANTED; ) {
    const sum: RequestTally = { requests: 0, wellFormed: 0, succeeded: 0 };
    for (const rest = WANTED - requests; sum.requests < Math.min(PART, rest); rounds += 1) {
      if (rounds === WARM_UP) footprint = new Footprint();
      const before = sum.requests;
      // Each a test of its own: its store goes with it, before the next one takes as much room.
      await t.test(`round ${rounds}`, (t) => askForAnything(t, seed + rounds, sum));
      // The report of that round says why; figures are for runs that survived.
      assert.equal(sum.requests, before + REQUESTS_A_ROUND, 'the round failed');
    }
    requests += sum.requests;
    const grown = (await footprint?.requireHeld('all requests')) ?? 0;
    recordFigures('fuzz-requests', seed, { ...sum, grownMib: Math.ceil(grown / MIB) });
  }
});

async function askForAnything(t: TestContext, seed: number, sum: RequestTally): Promise<void> {
  const tree = await TestVfs.make(t);
  const mad = new MadKernel(tree, new Random(seed));
  for (let number = 0; number < REQUESTS_A_ROUND; number += 1) {
    const failure = await mad.ask();
    assert.ok(failure === undefined, `request ${number}, CAIRN_SEED=${seed}: ${failure}`);
  }
  await mad.closeAll();
  assert.equal(mad.kernel.exchange.pendingCount, 0, 'a request that was never answered');
  tree.store.close();
  for (const key of Object.keys(sum) as (keyof RequestTally)[]) sum[key] += mad.tally[key];
}
