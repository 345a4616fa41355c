import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChunkSet } from '../../src/catalog/chunk-set.js';
import type { ExtentPosition } from '../../src/catalog/chunk-sets.js';
import type { VerificationPosition } from '../../src/catalog/chunks.js';
import { openCatalogReader } from '../../src/catalog/open-reader.js';
import { chunkExtent, content, digestOf, FILE, make, makeCatalog } from '../support/catalog.js';

test('chunks come in the order of their last verification, present ones only', (t) => {
  const { catalog, path } = makeCatalog(t);
  const times = [50, 0, 20, 30, 0, 20, 90];
  times.forEach((at, n) => {
    catalog.chunks.setPresent(digestOf(`${n}`), 10, 10);
    catalog.chunks.setVerified(digestOf(`${n}`), at);
  });
  catalog.chunks.setState(digestOf('3'), 'bad');
  assert.equal(catalog.chunks.oldestVerifiedAt(), 0);
  catalog.transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  const seen: Uint8Array[] = [];
  for (let from: VerificationPosition | undefined; ; ) {
    const step = reader.chunks.oldestVerified(60, from, 2);
    if (step.chunks.length === 0) break;
    seen.push(...step.chunks.map(({ digest }) => digest));
    from = step.position;
  }
  assert.deepEqual(
    seen,
    [1, 4, 2, 5, 0].map((n) => digestOf(`${n}`)),
  );
  assert.equal(reader.chunks.countVerifiedBefore(60), 5);
  assert.deepEqual(reader.chunks.verification(), { never: 2, oldestAt: 20 });
});

test('files with bytes in given chunks are found, clones among them', (t) => {
  const { catalog, path, current } = makeCatalog(t);
  const inos = Array.from({ length: 7 }, (_, n) => make(catalog, current, `file ${n}`, FILE));
  for (const [n, ino] of inos.entries()) {
    const extents = [chunkExtent(0, 100, `chunk ${n % 3}`, 7), chunkExtent(100, 100, `own ${n}`)];
    catalog.apply(content(ino, 0, 200, extents, 200));
  }
  catalog.transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  const set = new ChunkSet();
  reader.sets.addKnown(set, [digestOf('chunk 1'), digestOf('own 6')]);
  const found = [];
  for (let from: ExtentPosition | undefined; from?.done !== true; ) {
    const step = reader.chunkUsers.extents(set, from, 3);
    found.push(...step.found);
    from = step.position;
  }
  const byList = new Map(found.map((extent) => [extent.list, extent]));
  const users: number[] = [];
  for (let after: number | undefined = 0; after !== undefined; ) {
    const step = reader.chunkUsers.inodes(byList, after, 4);
    users.push(...step.found.map(({ ino }) => ino));
    after = step.lastIno;
  }
  assert.deepEqual(users, [inos[1], inos[4], inos[6]]);
  const { list: _, ...last } = found.at(-1)!;
  assert.deepEqual(last, { offset: 100, length: 100, digest: digestOf('own 6'), at: 0 });
  assert.equal(found[0]?.at, 7);
});
