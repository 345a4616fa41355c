import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { ArchiveEntry } from '../../src/archive/entry-decoder.js';
import { ArchiveReader, type ArchiveReaderOptions, type ListedEntry } from '../../src/archive/reader.js';
import {
  anyTree,
  assertEntry,
  type EncodedTree,
  encodeTree,
  listAll,
  type Meaning,
  meaningOf,
} from '../support/archive-trees.js';
import { asPbsWouldWrite } from '../support/archive-variants.js';
import { sipHash24 } from '../support/spec-decoder/siphash.js';

const at = (stream: Buffer) => ({
  size: stream.length,
  read: (offset: number, length: number): Buffer => stream.subarray(offset, offset + length),
});

/** Every read answers later; now and then at once. */
const later = (stream: Buffer) => {
  let reads = 0;
  const read = async (offset: number, length: number): Promise<Buffer> => stream.subarray(offset, offset + length);
  return {
    size: stream.length,
    read: (offset: number, length: number) => {
      reads += 1;
      return reads % 3 === 0 ? stream.subarray(offset, offset + length) : read(offset, length);
    },
  };
};

async function open(options: ArchiveReaderOptions): Promise<ArchiveReader> {
  return ArchiveReader.open(options);
}

/** Asserts that listing and looking up every path gives what the tree means. */
async function assertReads(reader: ArchiveReader, meanings: readonly Meaning[], streams: EncodedTree): Promise<void> {
  const [root, ...below] = meanings as [Meaning, ...Meaning[]];
  await assertEntry(reader, await reader.entry(reader.root), root, streams);
  const all = await listAll(reader);
  assert.deepEqual([...all.keys()].sort(), below.map(({ path }) => path).sort());
  for (const meaning of below) {
    const listed = all.get(meaning.path) as ListedEntry;
    await assertEntry(reader, listed.entry, meaning, streams);
    const found = await lookupPath(reader, meaning.path);
    assert.equal(found?.position, listed.entry.position);
    if (meaning.linked) assert.equal(found?.position, all.get(meaning.linked.path)?.entry.position);
  }
}

async function lookupPath(reader: ArchiveReader, path: string): Promise<ArchiveEntry | undefined> {
  let entry: ArchiveEntry | undefined = await reader.entry(reader.root);
  for (const name of path.split('/')) {
    entry = entry && (await reader.lookup(entry.position, Buffer.from(name, 'latin1')));
  }
  return entry;
}

for (const version of [1, 2] as const) {
  test(`any tree in version ${version} reads as what it is, whether bytes are at hand or not`, async () => {
    await fc.assert(
      fc.asyncProperty(anyTree, async (tree) => {
        const streams = encodeTree(tree, version);
        const meanings = meaningOf(tree);
        await assertReads(await open(at(streams.metadata)), meanings, streams);
        await assertReads(await open(later(streams.metadata)), meanings, streams);
      }),
      { seed: 42, numRuns: 60 },
    );
  });
}

test('what hard links of a folder lead to is found, and nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(anyTree, fc.constantFrom<1 | 2>(1, 2), async (tree, version) => {
      const reader = await open(later(encodeTree(tree, version).metadata));
      const all = await listAll(reader);
      const positionOf = (path: string): number => (all.get(path) as ListedEntry).entry.position;
      const folders = meaningOf(tree).filter(({ node }) => (node.metadata.mode & 0o170000) === 0o040000);
      for (const { path } of folders) {
        const links = meaningOf(tree).filter((meaning) => path === '' || meaning.path.startsWith(`${path}/`));
        const wanted = links.flatMap(({ linked }) => (linked === undefined ? [] : [positionOf(linked.path)]));
        const found = await reader.linkTargets(path === '' ? reader.root : positionOf(path));
        assert.deepEqual([...found].sort(), [...new Set(wanted)].sort());
      }
    }),
    { seed: 7, numRuns: 60 },
  );
});

test('archives with inexact sizes, unsorted children and a prelude read the same', async () => {
  await fc.assert(
    fc.asyncProperty(anyTree, fc.infiniteStream(fc.nat(2 ** 40)), async (tree, waste) => {
      const streams = encodeTree(tree, 2);
      const metadata = asPbsWouldWrite(streams.metadata, streams.payload, () => waste.next().value);
      await assertReads(await open(at(metadata)), meaningOf(tree), { ...streams, metadata });
    }),
    { seed: 7, numRuns: 60 },
  );
});

test('a folder nothing led to is found by walking, or by its link to its parent', async () => {
  await fc.assert(
    fc.asyncProperty(anyTree, async (tree) => {
      const { metadata, folderLinks } = encodeTree(tree, 2);
      const known = await open(at(metadata));
      await listAll(known);
      const walked: ArchiveReaderOptions[] = [at(metadata), later(metadata)];
      const linked = { ...at(metadata), folderLink: (position: number) => folderLinks.get(position) };
      for (const position of folderLinks.keys()) {
        const expected = await known.list(position, 0, 1000);
        for (const options of [...walked, linked]) {
          const fresh = await open(options);
          assert.deepEqual(await fresh.list(position, 0, 1000), expected);
        }
      }
    }),
    { seed: 9, numRuns: 40 },
  );
});

test('what is at hand is answered at once', () => {
  const [tree] = fc.sample(
    anyTree.filter((node) => node.children.length > 3),
    { seed: 3, numRuns: 1 },
  );
  const { metadata } = encodeTree(tree as NonNullable<typeof tree>);
  const reader = ArchiveReader.open(at(metadata));
  assert.ok(reader instanceof ArchiveReader);
  const listed = reader.list(reader.root, 0, 10);
  assert.ok(Array.isArray(listed));
  const first = listed[0] as ListedEntry;
  assert.ok(!(reader.lookup(reader.root, first.name) instanceof Promise));
  assert.ok(!(reader.entry(first.entry.position) instanceof Promise));
  assert.ok(!(reader.xattrs(first.entry.position) instanceof Promise));
});

test('names are found though all in the folder have one hash', async () => {
  const [model] = fc.sample(anyTree, { seed: 1, numRuns: 1 });
  const fifo = { ...(model as NonNullable<typeof model>), children: [], linkTo: undefined };
  const names = ['a', 'b', 'c', 'd', 'e'].map((text) => Buffer.from(text));
  const tree = {
    ...fifo,
    children: names.map((name) => ({ ...fifo, name, metadata: { ...fifo.metadata, mode: 0o10644, xattrs: [] } })),
  };
  const { metadata } = encodeTree({ ...tree, metadata: { ...tree.metadata, xattrs: [] } });
  for (const wanted of names) {
    // The table as it would be if all names had the hash of this one.
    const table = metadata.length - 24 * (names.length + 1);
    for (let i = 0; i < names.length; i += 1) metadata.writeBigUInt64LE(sipHash24(wanted), table + 24 * i);
    const reader = await open(at(metadata));
    const found = await reader.lookup(reader.root, wanted);
    const listed = await reader.list(reader.root, 0, 10);
    const expected = listed.find(({ name }) => Buffer.compare(name, wanted) === 0);
    assert.equal(found?.position, expected?.entry.position);
    assert.ok(found);
  }
});

test('names that are not there are not found', async () => {
  const [tree] = fc.sample(
    anyTree.filter((node) => node.children.length > 3),
    { seed: 5, numRuns: 1 },
  );
  const reader = await open(at(encodeTree(tree as NonNullable<typeof tree>).metadata));
  assert.equal(await reader.lookup(reader.root, Buffer.from('not there')), undefined);
  await assert.rejects(async () => reader.lookup(24 + 1, Buffer.from('x')), { kind: 'corrupt' });
});

/** A root of two folders with many FIFOs each. */
function twoLargeFolders(): EncodedTree {
  const [any] = fc.sample(anyTree, { seed: 1, numRuns: 1 });
  const base = { ...(any as NonNullable<typeof any>), children: [], linkTo: undefined };
  const metadata = { ...base.metadata, mode: 0o40755, xattrs: [] };
  const fifo = { ...base, metadata: { ...metadata, mode: 0o10644 } };
  const folder = (name: string) => ({
    ...base,
    name: Buffer.from(name),
    metadata,
    children: Array.from({ length: 3000 }, (_, i) => ({ ...fifo, name: Buffer.from(`fifo ${i}`) })),
  });
  return encodeTree({ ...base, metadata, children: [folder('a'), folder('b')] });
}

test('a lookup reads little, and so it does where sizes are inexact or only a link leads to the folder', async () => {
  const exact = twoLargeFolders();
  const inexact = asPbsWouldWrite(exact.metadata, exact.payload, () => 1_000_000);
  const lookupBytes = async (stream: Buffer, via: 'root' | 'position' | 'link'): Promise<number> => {
    let bytes = 0;
    const read = (offset: number, length: number): Buffer => {
      bytes += length;
      return stream.subarray(offset, offset + length);
    };
    const known = await open(at(stream));
    const folder = (await known.lookup(known.root, Buffer.from('b'))) as ArchiveEntry;
    const link = { parent: known.root, nameLength: 1 };
    const reader = await open({ read, size: stream.length, ...(via === 'link' && { folderLink: () => link }) });
    if (via === 'root') await reader.lookup(reader.root, Buffer.from('b'));
    assert.ok(await reader.lookup(folder.position, Buffer.from('fifo 2999')));
    return bytes;
  };
  const little = 16 * 1024;
  const walk = 3000 * 72;
  assert.ok((await lookupBytes(exact.metadata, 'root')) < little);
  assert.ok((await lookupBytes(exact.metadata, 'link')) < little);
  assert.ok((await lookupBytes(inexact, 'root')) < little);
  assert.ok((await lookupBytes(inexact, 'position')) > walk);
});

test('the children of what is no folder are refused', async () => {
  const [tree] = fc.sample(anyTree, { seed: 1, numRuns: 1 });
  const file = { ...(tree as NonNullable<typeof tree>), children: [], linkTo: undefined };
  const name = Buffer.from('f');
  const child = { ...file, name, metadata: { ...file.metadata, mode: 0o100644 } };
  const reader = await open(at(encodeTree({ ...file, children: [child] }).metadata));
  const found = (await reader.lookup(reader.root, name)) as ArchiveEntry;
  await assert.rejects(async () => reader.list(found.position, 0, 1), { kind: 'not-a-directory' });
});

test('a read that fails is passed on, and the next one may succeed', async () => {
  const [tree] = fc.sample(
    anyTree.filter((node) => node.children.length > 3),
    { seed: 3, numRuns: 1 },
  );
  const { metadata } = encodeTree(tree as NonNullable<typeof tree>);
  let broken = false;
  const source = later(metadata);
  const failure = new Error('the chunk is gone');
  const reader = await open({
    ...source,
    read: (offset, length) => (broken ? Promise.reject(failure) : source.read(offset, length)),
  });
  broken = true;
  await assert.rejects(async () => reader.list(reader.root, 0, 10), failure);
  broken = false;
  assert.ok((await reader.list(reader.root, 0, 10)).length > 3);
});
