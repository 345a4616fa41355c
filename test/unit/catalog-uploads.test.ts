import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Catalog, createCatalog, openCatalog } from '../../src/catalog/open.js';
import { openCatalogReader } from '../../src/catalog/open-reader.js';
import type { PendingUpload } from '../../src/catalog/uploads.js';
import { digestHex } from '../../src/core/digest.js';
import { catalogPath, chunkExtent, content, digestOf, FILE, make, makeGroup, ofKind } from '../support/catalog.js';

/** A catalog with an object store behind it, and what a job sees of its queue after a commit. */
function withRemote(t: TestContext): { catalog: Catalog; path: string; queue: () => PendingUpload[] } {
  const path = catalogPath(t);
  createCatalog(path);
  const catalog = openCatalog(path, true);
  t.after(() => catalog.close());
  catalog.transactions.begin();
  const queue = (): PendingUpload[] => {
    catalog.transactions.commit(catalog.transactions.appliedSequence());
    catalog.transactions.begin();
    const reader = openCatalogReader(path);
    const pending = reader.uploads.list(0, 1000);
    assert.equal(catalog.uploads.totals().chunks, pending.length);
    assert.equal(
      catalog.uploads.totals().bytes,
      pending.reduce((sum, { stored }) => sum + stored, 0),
    );
    reader.close();
    return pending;
  };
  return { catalog, path, queue };
}

function names(pending: readonly PendingUpload[], of: readonly string[]): string[] {
  return of.filter((name) => pending.some(({ digest }) => digestHex(digest) === digestHex(digestOf(name))));
}

const ALL = ['a', 'b', 'c', 'd'];

test('chunks come into the queue as they become present, and go as they are uploaded or present no more', (t) => {
  const { catalog, queue } = withRemote(t);
  const file = make(catalog, makeGroup(catalog, 'web1'), 'file', FILE);
  catalog.apply(content(file, 0, 100, [chunkExtent(0, 100, 'a')], 100));
  catalog.chunks.setPresent(digestOf('b'), 1000, 70);
  catalog.chunks.setPresent(digestOf('c'), 1000, 80);
  const first = queue();
  assert.deepEqual(names(first, ALL), ['a', 'b', 'c']);
  const b = first.find(({ digest }) => digestHex(digest) === digestHex(digestOf('b')));
  assert.ok(b !== undefined);
  assert.equal(catalog.uploads.end([b]), 1);
  assert.equal(catalog.uploads.end([b]), 0);
  catalog.chunks.setState(digestOf('c'), 'quarantined');
  catalog.chunks.setState(digestOf('b'), 'absent');
  assert.deepEqual(names(queue(), ALL), ['a']);
  catalog.chunks.setPresent(digestOf('b'), 1000, 71);
  assert.deepEqual(names(queue(), ALL), ['a', 'b']);
});

test('what is said again of a chunk that was uploaded does not bring it back, other bytes do', (t) => {
  const { catalog, queue } = withRemote(t);
  catalog.chunks.setPresent(digestOf('a'), 1000, 70);
  catalog.uploads.end(queue());
  catalog.chunks.setPresent(digestOf('a'), 1000, 70);
  assert.deepEqual(queue(), []);
  catalog.chunks.setPresent(digestOf('a'), 1000, 71);
  assert.deepEqual(names(queue(), ALL), ['a']);
});

test('an upload that ends late does not end a newer entry', (t) => {
  const { catalog, queue } = withRemote(t);
  catalog.chunks.setPresent(digestOf('a'), 1000, 70);
  const before = queue();
  catalog.chunks.setState(digestOf('a'), 'absent');
  catalog.chunks.setPresent(digestOf('a'), 1000, 70);
  assert.equal(catalog.uploads.end(before), 0);
  assert.deepEqual(names(queue(), ALL), ['a']);
});

test('the queue and its totals last, and go back with a transaction', (t) => {
  const { catalog, path, queue } = withRemote(t);
  for (const name of ALL) catalog.chunks.setPresent(digestOf(name), 1000, 100);
  queue();
  catalog.chunks.setPresent(digestOf('e'), 1000, 100);
  assert.equal(catalog.uploads.totals().chunks, 5);
  catalog.transactions.rollback();
  assert.deepEqual(catalog.uploads.totals(), { chunks: 4, bytes: 400 });
  catalog.close();
  const again = openCatalog(path, true);
  t.after(() => again.close());
  assert.deepEqual(again.uploads.totals(), { chunks: 4, bytes: 400 });
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  const [first] = reader.uploads.list(0, 1);
  assert.ok(first !== undefined);
  assert.equal(reader.uploads.list(first.chunk, 10).length, 3);
  assert.equal(reader.uploads.ticketOf(first.digest), first.ticket);
  assert.equal(reader.uploads.ticketOf(digestOf('e')), undefined);
  again.transactions.begin();
  again.chunks.setPresent(digestOf('e'), 1000, 100);
  again.transactions.commit(1);
  assert.ok((reader.uploads.ticketOf(digestOf('e')) ?? 0) > (reader.uploads.tickets()?.oldest ?? 0));
  assert.equal(reader.uploads.tickets()?.newest, reader.uploads.ticketOf(digestOf('e')));
});

test('files in the object store are noted by their paths', (t) => {
  const { catalog, path } = withRemote(t);
  const put = ['b', 'a', 'c'].map((name) => ({ path: name, identity: `${name}1` }));
  catalog.uploads.noteFiles(put, []);
  catalog.uploads.noteFiles([{ path: 'a', identity: 'a2' }], ['c', 'unknown']);
  catalog.transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  assert.deepEqual(reader.uploads.listFiles('', 10), [
    { path: 'a', identity: 'a2' },
    { path: 'b', identity: 'b1' },
  ]);
  assert.deepEqual(reader.uploads.listFiles('a', 1), [{ path: 'b', identity: 'b1' }]);
  assert.throws(() => catalog.uploads.noteFiles([], Array(1001).fill('x')), ofKind('invalid'));
});

test('all present chunks come in again where nothing is known of what was uploaded', (t) => {
  const { catalog, queue } = withRemote(t);
  for (const name of ALL) catalog.chunks.setPresent(digestOf(name), 1000, 100);
  const before = queue();
  catalog.uploads.end(before.slice(0, 3));
  catalog.chunks.setState(digestOf('b'), 'absent');
  catalog.uploads.addAll();
  assert.deepEqual(names(queue(), ALL), ['a', 'c', 'd']);
  assert.equal(catalog.uploads.end(before), 0, 'what is under way since before does not count');
});

test('without an object store nothing is queued', (t) => {
  const path = catalogPath(t);
  createCatalog(path);
  const catalog = openCatalog(path);
  t.after(() => catalog.close());
  catalog.transactions.begin();
  catalog.chunks.setPresent(digestOf('a'), 1000, 70);
  assert.deepEqual(catalog.uploads.totals(), { chunks: 0, bytes: 0 });
});
