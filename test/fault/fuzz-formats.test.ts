import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { datastorePaths } from '../../src/datastore/paths.js';
import { makeCatalog } from '../support/catalog.js';
import { ARCHIVE_FORMATS } from '../support/fuzz/archive-formats.js';
import { BUCKET_FORMATS } from '../support/fuzz/bucket-formats.js';
import { CHUNK_FORMATS } from '../support/fuzz/chunk-formats.js';
import { JOURNAL_FORMATS, journalOn } from '../support/fuzz/journal-formats.js';
import { catalogCopies, OWN_FORMATS, ownFiles } from '../support/fuzz/own-formats.js';
import { fuzz } from '../support/fuzz/run.js';
import { TEXT_FORMATS } from '../support/fuzz/text-formats.js';
import { seedOfRun } from '../support/random.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const CASES = 4000;

const OURS = [...OWN_FORMATS, ...BUCKET_FORMATS];
for (const target of [...CHUNK_FORMATS, ...ARCHIVE_FORMATS, ...JOURNAL_FORMATS, ...TEXT_FORMATS, ...OURS]) {
  test(`damaged input is refused, never worse: ${target.name}`, async (t) => {
    const { repaired, refused, accepted } = await fuzz(target, seedOfRun(t), CASES);
    t.diagnostic(`${CASES} cases, ${repaired} repaired, ${refused} refused, ${accepted} accepted`);
  });
}

test('a change that makes no sense is refused by the catalog, never half made', async (t) => {
  const { catalog } = makeCatalog(t);
  catalog.transactions.commit(0);
  catalog.transactions.begin();
  await fuzz(journalOn(catalog), seedOfRun(t), CASES);
});

test('a config, settings or announcement that makes no sense is refused', async (t) => {
  const paths = datastorePaths(temporaryFolder(t));
  mkdirSync(paths.own);
  await fuzz(ownFiles(paths), seedOfRun(t), CASES / 2);
});

test('a catalog that is damaged, or a copy of one, is told so or used to its end', async (t) => {
  const paths = datastorePaths(temporaryFolder(t));
  mkdirSync(paths.own);
  await fuzz(catalogCopies(paths), seedOfRun(t), CASES / 20);
});
