import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Catalog } from '../../src/catalog/open.js';
import { openCatalogReader } from '../../src/catalog/open-reader.js';
import type { IndexedSnapshot } from '../../src/catalog/space-use.js';
import { content, digestOf, FILE, make, makeCatalog, makeGroup, newInode } from '../support/catalog.js';
import { Random, seedOfRun } from '../support/random.js';

/** A chunk is a number: its plain length is 10 + n, its file has 5 + n bytes. */
const digest = (chunk: number) => digestOf(`chunk ${chunk}`);

interface Model extends IndexedSnapshot {
  readonly chunks: readonly (readonly number[])[];
}

function record(catalog: Catalog, path: string, chunks: readonly number[]): void {
  const gathered = catalog.indexFiles.gather();
  catalog.indexFiles.addChunks(
    gathered,
    chunks.map((chunk) => ({ digest: digest(chunk), length: 10 + chunk })),
    'present',
  );
  const header = Buffer.alloc(96, path);
  const sizes = { fileBytes: 4096, chunkCount: chunks.length, contentBytes: 1 };
  catalog.indexFiles.put({ path, kind: 'dynamic', checksum: digestOf(path), header, ...sizes }, gathered);
  gathered.set.dispose();
}

function totals(chunks: Iterable<number>) {
  const each = [...new Set(chunks)];
  const sum = (first: number) => each.reduce((bytes, chunk) => bytes + first + chunk, 0);
  return { chunks: each.length, plainBytes: sum(10), storedBytes: sum(5) };
}

function addFile(catalog: Catalog, current: number, group: number, name: string, chunks: readonly number[]): void {
  const ino = catalog.inodes.allocate();
  catalog.apply({
    kind: 'create',
    parent: current,
    name: Buffer.from(name),
    inode: { ...newInode(ino, FILE), group },
    xattrs: [],
  });
  const extents = chunks.map((chunk, index) => ({
    ...{ kind: 'chunk' as const, offset: index * 100, length: 10, digest: digest(chunk), at: 0 },
    ...{ chunkLength: 10 + chunk, storedLength: 5 + chunk },
  }));
  catalog.apply(content(ino, 0, chunks.length * 100, extents, chunks.length * 100));
}

test('what each snapshot, live tree and group uses, and uses alone, is what sets of numbers say', (t) => {
  const random = new Random(seedOfRun(t));
  const { catalog, path, current } = makeCatalog(t);
  const currents = [current, makeGroup(catalog, 'b'), makeGroup(catalog, 'c')];
  const some = (most: number) => Array.from({ length: random.below(most) }, () => random.below(120));
  for (let chunk = 0; chunk < 120; chunk += 1) catalog.chunks.setPresent(digest(chunk), 10 + chunk, 5 + chunk);
  const snapshots: Model[] = Array.from({ length: 12 }, (_, index) => {
    const chunks = [some(25), some(25)];
    const paths = chunks.map((_, file) => `g/${index}/${file}.didx`);
    return { group: 1 + random.below(3), paths, chunks };
  });
  const untracked = new Map<string, Buffer[]>();
  for (const { paths, chunks } of snapshots) {
    paths.forEach((file, at) => {
      if (random.below(5) > 0) record(catalog, file, chunks[at] ?? []);
      else untracked.set(file, (chunks[at] ?? []).map(digest));
    });
  }
  const live = currents.map((folder, index) => {
    const files = Array.from({ length: random.below(4) }, () => some(12));
    for (const [file, chunks] of files.entries()) addFile(catalog, folder, index + 1, `file ${file}`, chunks);
    return files;
  });
  catalog.transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  const paths = snapshots.flatMap((snapshot) => snapshot.paths);
  assert.deepEqual(new Set(reader.space.withoutSet(paths)), new Set(untracked.keys()));
  const account = reader.space.account(snapshots, untracked, []);

  const users = [...snapshots.map(({ chunks }) => chunks.flat()), ...live.map((files) => files.flat())];
  const alone = (mine: readonly number[], others: readonly (readonly number[])[]) =>
    totals(mine.filter((chunk) => !others.some((other) => other !== mine && other.includes(chunk))));
  snapshots.forEach((snapshot, index) => {
    const mine = users[index] ?? [];
    assert.deepEqual(account.snapshots.get(snapshot), { chunks: totals(mine), exclusive: alone(mine, users) });
  });
  const groups = [1, 2, 3].map((group) =>
    users.filter((_, index) => (snapshots[index]?.group ?? index - snapshots.length + 1) === group).flat(),
  );
  for (const [index, files] of live.entries()) {
    const mine = users[snapshots.length + index] ?? [];
    const expected = { chunks: totals(mine), exclusive: alone(mine, users) };
    const bytes = files.reduce((sum, file) => sum + file.length * 100, 0);
    const figures = { files: files.length, bytes, journalBytes: 0 };
    if (files.length > 0) assert.deepEqual(account.live.get(index + 1), { ...figures, ...expected });
    const group = groups[index] ?? [];
    const seen = account.groups.get(index + 1) ?? { chunks: totals([]), exclusive: totals([]) };
    assert.deepEqual(seen, { chunks: totals(group), exclusive: alone(group, groups) });
  }
  assert.deepEqual(account.all, totals(users.flat()));

  const [gone, kept] = [snapshots.slice(0, 5), snapshots.slice(5)];
  const rest = [...kept.map(({ chunks }) => chunks.flat()), ...live.map((files) => files.flat())].flat();
  const freed = totals(gone.flatMap(({ chunks }) => chunks.flat()).filter((chunk) => !rest.includes(chunk)));
  const pathsOf = (list: readonly Model[]) => list.flatMap((snapshot) => snapshot.paths);
  assert.deepEqual(reader.space.freedBy(pathsOf(gone), pathsOf(kept), untracked, []), freed);
});

test('chunks the catalog never heard of are not counted, and nothing at all is no error', (t) => {
  const { catalog, path, current } = makeCatalog(t);
  make(catalog, current, 'empty', FILE);
  catalog.transactions.commit(1);
  const reader = openCatalogReader(path);
  t.after(() => reader.close());
  const snapshot = { group: 7, paths: ['x.didx'] };
  const account = reader.space.account([snapshot], new Map([['x.didx', [digestOf('unheard of')]]]), []);
  assert.deepEqual(account.snapshots.get(snapshot)?.chunks, totals([]));
  assert.deepEqual(account.live.get(1)?.files, 1);
  assert.deepEqual(account.all, totals([]));
});
