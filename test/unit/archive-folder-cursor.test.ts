import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { FolderCursor } from '../../src/archive/folder-cursor.js';
import { ItemCursor } from '../../src/archive/item-cursor.js';
import type { ListedEntry } from '../../src/archive/reader.js';
import { ArchiveReader } from '../../src/archive/reader.js';
import { kindOf } from '../../src/core/errors.js';
import { anyTree, encodeTree } from '../support/archive-trees.js';

const MAX_VISITS = 5000;

function readerOf(archive: Buffer): ArchiveReader {
  const read = (offset: number, length: number): Buffer => archive.subarray(offset, offset + length);
  const reader = ArchiveReader.open({ read, size: archive.length });
  assert.ok(reader instanceof ArchiveReader);
  return reader;
}

/** Goes through a folder beside a reader, into every second folder in it, over everything else. */
async function goThrough(items: ItemCursor, reader: ArchiveReader, folder: number, parity: number): Promise<void> {
  const cursor = new FolderCursor(items);
  assert.equal(await cursor.enter(), folder);
  const listed = reader.list(folder, 0, 1000) as ListedEntry[];
  for (const [number, { name, entry }] of listed.entries()) {
    if (!items.isReady) await items.fill();
    assert.equal(cursor.orderOfName(name, 0, name.length), 0);
    assert.ok(cursor.orderOfName(Buffer.concat([name, name]), 0, 2 * name.length) < 0);
    assert.ok(cursor.orderOfName(name, 0, name.length - 1) > 0);
    if (entry.kind === 'folder' && number % 2 === parity) await goThrough(items, reader, entry.position, parity);
    else {
      if (entry.kind !== 'folder') {
        const { position } = items;
        assert.equal(await cursor.enter(), undefined);
        assert.equal(items.position, position);
      }
      await cursor.skip();
    }
  }
  if (!items.isReady) await items.fill();
  assert.ok(cursor.orderOfName(Buffer.of(255, 255), 0, 2) > 0);
  await cursor.leave();
}

for (const version of [1, 2] as const) {
  test(`a cursor goes into and over what an archive of version ${version} has, as a reader lists it`, async () => {
    const property = fc.asyncProperty(anyTree, fc.constantFrom(0, 1), async (tree, parity) => {
      const archive = encodeTree(tree, version).metadata;
      const reader = readerOf(archive);
      const items = reader.fromRoot();
      await goThrough(items, reader, reader.root, parity);
      assert.equal(items.position, archive.length);
      const over = reader.fromRoot();
      const cursor = new FolderCursor(over);
      await cursor.enter();
      await cursor.leave();
      assert.equal(over.position, archive.length);
    });
    await fc.assert(property);
  });

  test(`a cursor comes to an end in a damaged archive of version ${version}`, async () => {
    const change = fc.tuple(
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.uint8Array({ maxLength: 8 }),
    );
    const property = fc.asyncProperty(
      anyTree,
      fc.array(change, { minLength: 1, maxLength: 4 }),
      async (tree, changes) => {
        const archive = encodeTree(tree, version).metadata;
        for (const [at, bytes] of changes) archive.set(bytes, Math.floor(at * (archive.length - 8)));
        const read = (offset: number, length: number): Buffer => {
          assert.ok(offset >= 0 && offset + length <= archive.length, 'a read beyond the archive');
          return archive.subarray(offset, offset + length);
        };
        const items = new ItemCursor(read, archive.length, version === 1 ? 0 : 24);
        const cursor = new FolderCursor(items);
        try {
          await cursor.enter();
          for (let visits = 0; items.position < archive.length; visits += 1) {
            assert.ok(visits < MAX_VISITS);
            if (!items.isReady) await items.fill();
            if (cursor.orderOfName(Buffer.alloc(0), 0, 0) > 0 && (await cursor.enter()) === undefined)
              await cursor.skip();
          }
        } catch (error) {
          assert.equal(kindOf(error), 'corrupt', String((error as Error).stack));
        }
      },
    );
    await fc.assert(property);
  });
}
