import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCatalog } from '../../src/catalog/open.js';
import { openCatalogReader } from '../../src/catalog/open-reader.js';
import { chunkExtent, content, digestOf, FILE, make, makeCatalog, ofKind } from '../support/catalog.js';

test('a chunk is known by what was said of it last', (t) => {
  const { catalog } = makeCatalog(t);
  const a = digestOf('a');
  assert.equal(catalog.chunks.find(a), undefined);
  assert.equal(catalog.chunks.setState(a, 'bad'), false);
  assert.equal(catalog.chunks.setVerified(a, 5), false);
  catalog.chunks.setPresent(a, 1000, 400);
  assert.equal(catalog.chunks.setVerified(a, 5), true);
  assert.equal(catalog.chunks.setState(a, 'quarantined'), true);
  assert.deepEqual(catalog.chunks.find(a), { length: 1000, stored: 400, state: 'quarantined', verifiedAt: 5 });
  assert.throws(() => catalog.chunks.setPresent(Buffer.alloc(31), 1, 1), ofKind('invalid'));
  assert.throws(() => catalog.chunks.setPresent(a, -1, 1), ofKind('out-of-range'));
});

test('totals are exact for each state and last', (t) => {
  const { catalog, path } = makeCatalog(t);
  for (let n = 0; n < 10; n++) catalog.chunks.setPresent(digestOf(`${n}`), 1000 + n, 100);
  catalog.chunks.setPresent(digestOf('0'), 1000, 150);
  catalog.chunks.setState(digestOf('1'), 'absent');
  catalog.chunks.setState(digestOf('2'), 'absent');
  catalog.chunks.setState(digestOf('2'), 'present');
  const present = { chunks: 9, plainBytes: 9044, storedBytes: 950 };
  assert.deepEqual(catalog.chunks.totals('present'), present);
  assert.deepEqual(catalog.chunks.totals('absent'), { chunks: 1, plainBytes: 1001, storedBytes: 100 });
  catalog.transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  assert.deepEqual(reader.figures(), catalog.figures());
  catalog.close();
  const again = openCatalog(path);
  t.after(() => again.close());
  assert.deepEqual(again.chunks.totals('present'), present);
});

test('naming a bad chunk does not make it present', (t) => {
  const { catalog, current } = makeCatalog(t);
  const ino = make(catalog, current, 'file', FILE);
  catalog.apply(content(ino, 0, 100, [chunkExtent(0, 100, 'a')], 100));
  catalog.chunks.setState(digestOf('a'), 'bad');
  const copy = make(catalog, current, 'copy', FILE);
  catalog.apply(content(copy, 0, 100, [chunkExtent(0, 100, 'a')], 100));
  assert.equal(catalog.chunks.find(digestOf('a'))?.state, 'bad');
  catalog.chunks.setPresent(digestOf('a'), 1000, 500);
  assert.equal(catalog.chunks.find(digestOf('a'))?.state, 'present');
  assert.deepEqual(
    catalog.extents.overlapping(copy, 0, 100).map((e) => e.kind === 'chunk' && e.storedLength),
    [500],
  );
});

test('naming a chunk that collection took away makes it present again', (t) => {
  const { catalog, current } = makeCatalog(t);
  const ino = make(catalog, current, 'file', FILE);
  catalog.chunks.setPresent(digestOf('a'), 1000, 400);
  for (const state of ['absent', 'quarantined'] as const) {
    catalog.chunks.setState(digestOf('a'), state);
    catalog.apply(content(ino, 0, 100, [chunkExtent(0, 100, 'a')], 100));
    assert.equal(catalog.chunks.find(digestOf('a'))?.state, 'present');
    assert.equal(catalog.chunks.totals(state).chunks, 0);
  }
});

test('chunks are listed in order of their digests, the lost ones apart', (t) => {
  const { catalog, path } = makeCatalog(t);
  const digests = Array.from({ length: 25 }, (_, n) => digestOf(`${n}`));
  for (const digest of digests) catalog.chunks.setPresent(digest, 10, 10);
  catalog.chunks.setState(digests[3]!, 'bad');
  catalog.chunks.setState(digests[4]!, 'bad');
  catalog.chunks.setState(digests[5]!, 'absent');
  catalog.transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  const seen: Uint8Array[] = [];
  for (let after: Uint8Array = Buffer.alloc(0); ; ) {
    const slice = reader.chunks.list(after, 10);
    if (slice.length === 0) break;
    seen.push(...slice.map(({ digest }) => digest));
    after = seen.at(-1)!;
  }
  assert.deepEqual(seen, digests.toSorted(Buffer.compare));
  const bad = [digests[3]!, digests[4]!].sort(Buffer.compare);
  assert.deepEqual(reader.chunks.listLost('bad', Buffer.alloc(0), 1)[0]?.digest, bad[0]);
  assert.deepEqual(
    reader.chunks.listLost('bad', bad[0]!, 10).map(({ digest }) => digest),
    [bad[1]],
  );
  assert.deepEqual(reader.chunks.listLost('quarantined', Buffer.alloc(0), 10), []);
});

test('many pieces are found as one by one, by whatever number, names twice among them', (t) => {
  const { catalog, current, path } = makeCatalog(t);
  for (let n = 0; n < 150; n++) {
    const ino = make(catalog, current, `file ${n}`, FILE);
    const change = content(ino, 0, 100, [chunkExtent(0, 100, `pack ${n % 30}`, Math.floor(n / 30) * 100)], 100);
    catalog.apply({ ...change, contentDigest: digestOf(`content ${n}`) });
  }
  catalog.chunks.setState(digestOf('pack 1'), 'bad');
  catalog.transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  for (const count of [0, 1, 63, 64, 65, 200]) {
    const wanted = Array.from({ length: count }, (_, n) => digestOf(`content ${(n * 7) % 170}`));
    assert.deepEqual(
      reader.pieces.findAll(wanted),
      wanted.map((content) => reader.pieces.find(content)),
    );
  }
});

test('a piece is found while its chunk is present', (t) => {
  const { catalog, current } = makeCatalog(t);
  for (let n = 0; n < 5; n++) {
    const ino = make(catalog, current, `file ${n}`, FILE);
    const change = content(ino, 0, 100, [chunkExtent(0, 100, `pack ${n % 2}`, n * 100)], 100);
    catalog.apply({ ...change, contentDigest: digestOf(`content ${n}`) });
  }
  catalog.chunks.setState(digestOf('pack 1'), 'bad');
  const found = () => [0, 1, 2, 3, 4].map((n) => catalog.pieces.find(digestOf(`content ${n}`))?.at);
  assert.deepEqual(found(), [0, undefined, 200, undefined, 400]);
  catalog.pieces.removeLost([0, 1, 2, 3, 4].map((n) => digestOf(`content ${n}`)));
  catalog.chunks.setPresent(digestOf('pack 1'), 1000, 400);
  assert.deepEqual(found(), [0, undefined, 200, undefined, 400], 'the pieces of the lost chunk were cleared away');
});
