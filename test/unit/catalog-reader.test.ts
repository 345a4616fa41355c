import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { openCatalog } from '../../src/catalog/open.js';
import { openCatalogReader } from '../../src/catalog/open-reader.js';
import { bytes, chunkExtent, content, FILE, journalExtent, make, makeCatalog, ofKind } from '../support/catalog.js';

test('a reader sees what was committed, a picture what was committed before it', (t) => {
  const { catalog, path, current } = makeCatalog(t);
  make(catalog, current, 'first', FILE);
  catalog.transactions.commit(10);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  catalog.transactions.begin();
  make(catalog, current, 'second', FILE);
  const seen = () => [...reader.children.byName(current)].map(({ name }) => Buffer.from(name).toString());
  assert.deepEqual(seen(), ['first']);
  assert.equal(reader.picture.begin(), 10);
  assert.throws(() => reader.picture.begin(), ofKind('busy'));
  catalog.transactions.commit(11);
  assert.deepEqual(seen(), ['first'], 'the picture stood before anything else was read in it');
  assert.equal(reader.figures().inodes, catalog.figures().inodes - 1);
  reader.picture.end();
  reader.picture.end();
  assert.deepEqual(seen(), ['first', 'second']);
  assert.equal(reader.picture.begin(), 11);
});

test('children come in byte order of their names, over several slices', (t) => {
  const { catalog, path, current } = makeCatalog(t);
  const names = ['b', 'a', 'ab', 'B', 'é', '~', 'a.', 'a b', '0'].map((name) => bytes(name));
  names.push(Buffer.from([0xff]), Buffer.from([0x01]));
  for (const name of names) {
    const inode = { ...catalog.inodes.find(current)!, ino: catalog.inodes.allocate(), mode: FILE };
    catalog.apply({ kind: 'create', parent: current, name, inode, xattrs: [] });
  }
  catalog.transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  const seen = [...reader.children.byName(current, 3)];
  assert.deepEqual(
    seen.map(({ name }) => name),
    names.toSorted(Buffer.compare),
  );
  for (const { name, inode } of seen) assert.equal(reader.names.lookup(current, name), inode.ino);
});

test('a picture shows a file with its extents and attributes', (t) => {
  const { catalog, path, current } = makeCatalog(t);
  const ino = make(catalog, current, 'file', FILE);
  const extents = Array.from({ length: 25 }, (_, n) =>
    n % 2 ? journalExtent(n * 10, 5, n) : chunkExtent(n * 10, 10, `${n}`),
  );
  catalog.apply(content(ino, 0, 250, extents, 250));
  catalog.apply({ kind: 'set-xattr', ino, name: bytes('user.a'), value: bytes('1'), timeSec: 1, timeNsec: 1 });
  catalog.transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  reader.picture.begin();
  assert.deepEqual([...reader.extents.all(ino, 0, 4)], extents);
  assert.deepEqual([...reader.extents.all(ino, 11, 4)], extents.slice(2), 'those that begin there or behind');
  assert.deepEqual(reader.extents.overlapping(ino, 11, 21), extents.slice(1, 3));
  assert.deepEqual(reader.xattrs.all(ino), [{ name: bytes('user.a'), value: bytes('1') }]);
  assert.deepEqual(reader.inodes.find(ino), catalog.inodes.find(ino));
  assert.deepEqual(reader.journalRefs.files(0, 10), [{ ino, bytes: 60 }]);
  assert.deepEqual(reader.damage(), []);
});

test('a reader writes nothing', (t) => {
  const { catalog, path } = makeCatalog(t);
  catalog.close();
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  assert.equal('apply' in reader, false);
  assert.equal(reader.groups.list().length, 0, 'the group was not committed');
});

const IN_WORKER = `
  const { parentPort, workerData } = require('node:worker_threads');
  import(workerData.module).then(({ openCatalogReader }) => {
    const reader = openCatalogReader(workerData.path);
    const sequence = reader.picture.begin();
    parentPort.once('message', () => {
      const union = reader.sets.union();
      const names = [...reader.children.byName(workerData.folder)].length;
      reader.close();
      parentPort.postMessage({ sequence, names, chunks: union.value.size });
    });
    parentPort.postMessage('open');
  });
`;

test('a reader works in another thread while the writer goes on', async (t) => {
  const { catalog, path, current } = makeCatalog(t);
  make(catalog, current, 'file', FILE);
  const gathered = catalog.indexFiles.gather();
  catalog.indexFiles.addChunks(gathered, [{ digest: Buffer.alloc(32, 5), length: 10 }], 'present');
  const facts = { kind: 'fixed', checksum: Buffer.alloc(32), header: Buffer.alloc(96), chunkCount: 1 } as const;
  catalog.indexFiles.put({ path: 'vm/1/2/a.fidx', fileBytes: 1, contentBytes: 10, ...facts }, gathered);
  catalog.transactions.commit(4);
  const module = new URL('../../src/catalog/open-reader.js', import.meta.url).href;
  const worker = new Worker(IN_WORKER, { eval: true, workerData: { module, path, folder: current } });
  t.after(() => worker.terminate());
  const message = () =>
    new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
  assert.equal(await message(), 'open');
  catalog.transactions.begin();
  make(catalog, current, 'later', FILE);
  catalog.transactions.commit(5);
  const answered = message();
  worker.postMessage('go on');
  assert.deepEqual(await answered, { sequence: 4, names: 1, chunks: 1 });
});

test('a reader opened before the writer came sees what it committed', (t) => {
  const { catalog, path, current } = makeCatalog(t);
  catalog.transactions.commit(1);
  catalog.close();
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  const writer = openCatalog(path);
  writer.transactions.begin();
  make(writer, current, 'file', FILE);
  writer.transactions.commit(2);
  writer.close();
  assert.equal([...reader.children.byName(current)].length, 1);
});
