import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContentChange } from '../../src/catalog/change.js';
import type { Extent } from '../../src/catalog/extent.js';
import { CHUNKER_FIXED, STORAGE_LARGE } from '../../src/catalog/inode.js';
import type { CatalogReader } from '../../src/catalog/open-reader.js';
import { PictureFiles } from '../../src/snapshot/create/picture-files.js';
import { Random, seedOfRun } from '../support/random.js';

const INO = 7;
const BLOCK = 4096;

function inJournal(offset: number, length: number, at = offset): Extent {
  return { kind: 'journal', offset, length, segment: 1, at };
}

function inChunk(offset: number, length: number): Extent {
  const digest = new Uint8Array(32).fill(1);
  return { kind: 'chunk', offset, length, digest, at: 0, chunkLength: length, storedLength: length };
}

function picture(extents: readonly Extent[]): PictureFiles {
  const all = (_ino: number, from = 0) => extents.filter(({ offset }) => offset >= from);
  return new PictureFiles({ extents: { all } } as unknown as CatalogReader);
}

function swap(start: number, end: number, extents: readonly Extent[]): ContentChange {
  const size = 2 ** 40;
  const times = { mtimeSec: 0, mtimeNsec: 0, ctimeSec: 0, ctimeNsec: 0 };
  const how = { size, storage: STORAGE_LARGE, chunker: CHUNKER_FIXED, ...times } as const;
  return { kind: 'content', ino: INO, start, end, extents, ...how };
}

/** Which byte of which place each byte of the file is. */
function bytesOf(extents: Iterable<Extent>): Map<number, string> {
  const bytes = new Map<number, string>();
  for (const { kind, offset, length, at } of extents) {
    for (let i = 0; i < length; i += 1) bytes.set(offset + i, `${kind} ${at + i}`);
  }
  return bytes;
}

test('any changes: the file has the new pieces in their ranges and the old ones around them', (t) => {
  const random = new Random(seedOfRun(t));
  for (let run = 0; run < 200; run += 1) {
    const old: Extent[] = [];
    for (let at = 0; at < 60; at += 1 + random.below(8)) {
      const length = 1 + random.below(7);
      old.push(inJournal(at, length, 1000 * old.length));
      at += length;
    }
    const files = picture(old);
    const expected = bytesOf(old);
    for (let n = 0; n < 5; n += 1) {
      const start = random.below(70);
      const end = start + 1 + random.below(30);
      const extents = random.below(4) === 0 ? [] : [inChunk(start, 1 + random.below(end - start))];
      files.make(swap(start, end, extents));
      for (let at = start; at < end; at += 1) expected.delete(at);
      for (const [at, byte] of bytesOf(extents)) expected.set(at, byte);
      const now = [...files.all(INO)];
      assert.deepEqual(bytesOf(now), expected);
      assert.ok(now.every(({ offset, length }, i) => length > 0 && offset < (now[i + 1]?.offset ?? 2 ** 40)));
      const from = random.below(70);
      assert.deepEqual(
        [...files.all(INO, from)],
        now.filter(({ offset }) => offset >= from),
      );
      const shown = now.filter(({ offset, length }) => offset < from + 9 && offset + length > from);
      assert.deepEqual(files.overlapping(INO, from, from + 9), shown);
    }
  }
});

test('a change of a scattered image looks at its own range, not at all of the file', () => {
  const count = 20_000;
  let looks = 0;
  const old = [...Array(count).keys()].map((n) => {
    const extent = inJournal(2 * n * BLOCK, BLOCK);
    return Object.defineProperty(extent, 'offset', {
      enumerable: true,
      get: () => {
        looks += 1;
        return 2 * n * BLOCK;
      },
    });
  });
  const files = picture(old);
  files.make(swap(0, BLOCK, [inChunk(0, BLOCK)]));
  looks = 0;
  for (let n = 1; n < 50; n += 1) {
    const start = 2 * n * BLOCK;
    files.make(swap(start, start + BLOCK, [inChunk(start, BLOCK)]));
    files.overlapping(INO, start, start + 3 * BLOCK);
    files.all(INO, start)[Symbol.iterator]().next();
  }
  assert.ok(looks < 49 * 150, `${looks} looks at pieces`);
  const last = [...files.all(INO)].at(-1);
  assert.equal(last, old.at(-1), 'pieces out of reach are not copied');
});
