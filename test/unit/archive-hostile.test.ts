import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { ArchiveReader } from '../../src/archive/reader.js';
import { kindOf } from '../../src/core/errors.js';
import { anyTree, encodeTree } from '../support/archive-trees.js';

const MAX_VISITS = 5000;

/** Reads everything there is; answers how many entries, or throws what reading threw. */
function readAll(archive: Buffer): number {
  const read = (offset: number, length: number): Buffer => {
    assert.ok(offset >= 0 && offset + length <= archive.length, 'a read beyond the archive');
    return archive.subarray(offset, offset + length);
  };
  const reader = ArchiveReader.open({ read, size: archive.length });
  assert.ok(reader instanceof ArchiveReader);
  let visits = 0;
  const folders = [reader.root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const listed = reader.list(folder, 0, 1000);
    assert.ok(Array.isArray(listed));
    for (const { name, entry } of listed) {
      visits += 1;
      assert.ok(entry.position > reader.root && visits < MAX_VISITS);
      assert.ok(!name.includes(0) && !name.includes(0x2f) && name.length > 0);
      reader.xattrs(entry.position);
      reader.lookup(folder, name);
      if (entry.kind === 'folder') {
        assert.ok(entry.position > folder, 'a folder leads back');
        folders.push(entry.position);
      }
    }
  }
  return visits;
}

function assertOnlyCorrupt(archive: Buffer): void {
  try {
    readAll(archive);
  } catch (error) {
    assert.ok(['corrupt', 'unsupported'].includes(kindOf(error)), String((error as Error).stack));
  }
}

const change = fc.record({
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  bytes: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 8 }),
    fc.constantFrom(Buffer.alloc(8, 0xff), Buffer.alloc(8), Buffer.from('0000000000000080', 'hex')),
  ),
});

for (const version of [1, 2] as const) {
  test(`a damaged archive of version ${version} gives nothing but 'corrupt'`, () => {
    fc.assert(
      fc.property(anyTree, fc.array(change, { minLength: 1, maxLength: 4 }), (tree, changes) => {
        const archive = encodeTree(tree, version).metadata;
        for (const { at, bytes } of changes) archive.set(bytes.subarray(0, 8), Math.floor(at * (archive.length - 8)));
        assertOnlyCorrupt(archive);
      }),
      { seed: 11, numRuns: 2000 },
    );
  });
}

test('a damaged archive whose sizes lie is walked and gives nothing but corrupt', () => {
  fc.assert(
    fc.property(anyTree, fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(), (tree, changes, from) => {
      const { metadata, folderLinks } = encodeTree(tree, 2);
      for (const { at, bytes } of changes) metadata.set(bytes, Math.floor(at * (metadata.length - 8)));
      const read = (offset: number, length: number): Buffer => metadata.subarray(offset, offset + length);
      const positions = [...folderLinks.keys()];
      const position = positions[from % Math.max(positions.length, 1)] ?? 24;
      try {
        (ArchiveReader.open({ read, size: metadata.length }) as ArchiveReader).list(position, 0, 1000);
      } catch (error) {
        assert.ok(['corrupt', 'unsupported', 'not-a-directory'].includes(kindOf(error)), String(error));
      }
    }),
    { seed: 12, numRuns: 1000 },
  );
});

test('an archive cut off anywhere is corrupt', () => {
  const [tree] = fc.sample(
    anyTree.filter((node) => node.children.length > 2),
    { seed: 8, numRuns: 1 },
  );
  const archive = encodeTree(tree as NonNullable<typeof tree>).metadata;
  for (let length = 0; length < archive.length; length += 7) {
    assert.throws(
      () => readAll(archive.subarray(0, length)),
      (error) => kindOf(error) === 'corrupt',
    );
  }
});

test('random bytes are corrupt', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      assert.throws(
        () => readAll(Buffer.from(bytes)),
        (error) => kindOf(error) === 'corrupt',
      );
    }),
    { seed: 13 },
  );
});
