import assert from 'node:assert/strict';
import { readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { catalogCondition, copyCatalog } from '../../src/catalog/copy-catalog.js';
import { openCatalogReader } from '../../src/catalog/open-reader.js';
import { silentLog } from '../../src/core/log.js';
import {
  dropOlderCopies,
  listCatalogCopies,
  makeCatalogCopy,
  unpackCatalogCopy,
} from '../../src/daemon/catalog-copies/copy-files.js';
import { CatalogCopies } from '../../src/daemon/catalog-copies/copy-service.js';
import { copiesToKeep } from '../../src/daemon/catalog-copies/thinning.js';
import { FILE, make, makeCatalog, ofKind } from '../support/catalog.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const HOUR = 3600;
const DAY = 24 * HOUR;
const NOW = 1_795_000_000;
const FREELY = { nowSeconds: NOW, spareBytes: 0, rest: () => undefined };

/** Ages in hours of those kept of copies that are so old. */
function keptOf(agesInHours: readonly number[]): number[] {
  const now = Math.floor(NOW / DAY) * DAY + 23.5 * HOUR;
  const copies = agesInHours.map((age) => ({ age, madeAt: now - age * HOUR }));
  return copiesToKeep(copies, now).map(({ age }) => age);
}

test('the newest of each hour and day are kept, and the newest two', () => {
  const everyTenMinutes = Array.from({ length: 6 * 24 * 30 }, (_, step) => step / 6);
  const kept = keptOf(everyTenMinutes);
  assert.equal(kept.length, 24 + 6 + 1);
  assert.ok(Math.max(...kept) < 7 * 24);
  assert.deepEqual(keptOf([5000, 6000, 7000]), [5000, 6000]);
  assert.deepEqual(keptOf([]), []);
});

test('a copy from the future counts as made now', () => {
  assert.deepEqual(keptOf([-50, -49, -48, 1]), [-50, -49, 1]);
});

function openPlaces(t: TestContext) {
  const { catalog, path, current } = makeCatalog(t);
  catalog.transactions.commit(1);
  catalog.transactions.begin();
  return { catalog, current, places: { catalog: path, catalogCopies: join(temporaryFolder(t), 'copies') } };
}

test('a copy is as of one commit, whatever is written meanwhile', async (t) => {
  const { catalog, current, places } = openPlaces(t);
  for (let number = 0; number < 40_000; number += 1) make(catalog, current, `file ${number}`, FILE);
  catalog.transactions.commit(2);
  catalog.transactions.begin();
  const to = join(temporaryFolder(t), 'copy.db');
  let steps = 0;
  const sequence = await copyCatalog(places.catalog, to, () => {
    steps += 1;
    make(catalog, current, `meanwhile ${steps}`, FILE);
    catalog.transactions.commit(2 + steps);
    catalog.transactions.begin();
  });
  assert.equal(sequence, 2);
  assert.ok(steps > 0, 'it took one step only');
  assert.deepEqual(await catalogCondition(to), { kind: 'whole' });
  const reader = openCatalogReader(to);
  assert.equal(reader.names.lookup(current, Buffer.from('meanwhile 1')), undefined);
  assert.notEqual(reader.names.lookup(current, Buffer.from('file 39999')), undefined);
  assert.deepEqual([...reader.consistency.disagreements()].flat(), []);
  reader.close();
});

test('copies are listed newest first, unpacked again, and thinned', async (t) => {
  const { catalog, current, places } = openPlaces(t);
  for (const step of [1, 2, 3, 4]) {
    make(catalog, current, `file ${step}`, FILE);
    catalog.transactions.commit(step * 10);
    catalog.transactions.begin();
    await makeCatalogCopy(places, { ...FREELY, nowSeconds: NOW + step });
  }
  writeFileSync(join(places.catalogCopies, 'of somebody else'), '');
  const copies = await listCatalogCopies(places.catalogCopies);
  assert.deepEqual(
    copies.map(({ appliedSequence, madeAt }) => [appliedSequence, madeAt - NOW]),
    [
      [40, 4],
      [30, 3],
    ],
  );
  const to = join(temporaryFolder(t), 'again.db');
  await unpackCatalogCopy(places.catalogCopies, copies[1]!, to);
  const reader = openCatalogReader(to);
  assert.notEqual(reader.names.lookup(current, Buffer.from('file 3')), undefined);
  assert.equal(reader.names.lookup(current, Buffer.from('file 4')), undefined);
  reader.close();
  assert.equal(await dropOlderCopies(places.catalogCopies), true);
  assert.equal((await listCatalogCopies(places.catalogCopies))[0]?.appliedSequence, 40);
  assert.equal(await dropOlderCopies(places.catalogCopies), false);
});

test('where the clock was set back each copy is the newest all the same, and stays', async (t) => {
  const { catalog, current, places } = openPlaces(t);
  const newest: [number | undefined, number | undefined][] = [];
  for (const [step, nowSeconds] of [NOW, NOW + 1, NOW - 10, NOW - 9, NOW - 8, NOW + 60].entries()) {
    make(catalog, current, `file ${step}`, FILE);
    catalog.transactions.commit(step + 10);
    catalog.transactions.begin();
    await makeCatalogCopy(places, { ...FREELY, nowSeconds });
    const [copy] = await listCatalogCopies(places.catalogCopies);
    newest.push([copy?.appliedSequence, copy && copy.madeAt - NOW]);
  }
  assert.deepEqual(newest, [...[10, 11, 12, 13, 14].map((sequence, step) => [sequence, step]), [15, 60]]);
});

test('on a full disk older copies go, and none is made', async (t) => {
  const { places } = openPlaces(t);
  for (const nowSeconds of [NOW - 5 * DAY, NOW - 3 * DAY, NOW])
    await makeCatalogCopy(places, { ...FREELY, nowSeconds });
  assert.equal((await listCatalogCopies(places.catalogCopies)).length, 3);
  const outcome = await makeCatalogCopy(places, { ...FREELY, spareBytes: 2 ** 52 });
  assert.equal(outcome.kind, 'no-room');
  assert.deepEqual(
    (await listCatalogCopies(places.catalogCopies)).map(({ madeAt }) => madeAt),
    [NOW],
  );
});

test('given up, a copy leaves nothing', async (t) => {
  const { catalog, current, places } = openPlaces(t);
  for (let number = 0; number < 30_000; number += 1) make(catalog, current, `file ${number}`, FILE);
  catalog.transactions.commit(2);
  catalog.transactions.begin();
  const rest = () => {
    throw new Error('enough');
  };
  await assert.rejects(makeCatalogCopy(places, { ...FREELY, rest }), /enough/);
  assert.deepEqual(readdirSync(places.catalogCopies), []);
});

test('a torn copy is refused as corrupt, wherever it ends', async (t) => {
  const { places } = openPlaces(t);
  await makeCatalogCopy(places, FREELY);
  const [copy] = await listCatalogCopies(places.catalogCopies);
  const path = join(places.catalogCopies, copy!.name);
  const to = join(temporaryFolder(t), 'torn.db');
  for (const length of [copy!.bytes - 1, Math.floor(copy!.bytes / 2), 5, 0]) {
    truncateSync(path, length);
    await assert.rejects(unpackCatalogCopy(places.catalogCopies, copy!, to), ofKind('corrupt'), `${length} bytes`);
    rmSync(to, { force: true });
  }
});

test('what a file is that should be the catalog is told', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'x.db');
  assert.deepEqual(await catalogCondition(path), { kind: 'missing' });
  for (const content of ['', 'no database', 'SQLite format 3\0 and nothing more']) {
    writeFileSync(path, content);
    assert.equal((await catalogCondition(path)).kind, 'damaged', JSON.stringify(content));
  }
});

test('while the journal cannot be emptied the newest copy needs it, and that is tried again', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { catalog, current, places } = openPlaces(t);
  let [tries, sequence] = [0, 1];
  const emptyJournal = async (): Promise<void> => {
    tries += 1;
    if (tries <= 2) throw new Error('made to fail');
    make(catalog, current, `packed ${tries}`, FILE);
    catalog.transactions.commit(++sequence);
    catalog.transactions.begin();
  };
  const sources = {
    paths: places,
    reserve: { wantedBytes: 0 },
    catalog: { transactions: catalog.transactions, journalRefs: { oldestSegment: () => 1 } },
  } as unknown as Parameters<typeof CatalogCopies.open>[0];
  const clock = { now: () => ({ seconds: NOW, nanoseconds: 0 }) };
  const copies = await CatalogCopies.open(sources, emptyJournal, clock, silentLog);
  copies.start();
  const look = async (): Promise<number[]> => {
    t.mock.timers.tick(60_000);
    await copies.makeIfChanged();
    return [tries, copies.newest?.appliedSequence ?? 0];
  };
  assert.deepEqual(await look(), [1, 1]);
  assert.deepEqual(await look(), [2, 1]);
  assert.deepEqual(await look(), [3, 2]);
  assert.deepEqual(await look(), [3, 2]);
  await copies.stop();
});
