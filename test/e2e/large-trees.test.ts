import assert from 'node:assert/strict';
import {
  closeSync,
  lstatSync,
  mkdirSync,
  opendirSync,
  openSync,
  readdirSync,
  readSync,
  rmdirSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withStore } from '../support/mounted-store.js';

const ENTRIES = 20_000;
const TIB = 2 ** 40;

/** Removes entries while they are listed; returns how many. */
function removeWhileListing(folder: string): number {
  const listing = opendirSync(folder, { bufferSize: 500 });
  let removed = 0;
  for (let entry = listing.readSync(); entry !== null; entry = listing.readSync()) {
    unlinkSync(join(folder, entry.name));
    removed++;
  }
  listing.closeSync();
  return removed;
}

test('a folder of 20,000 entries is listed, kept and emptied', async () => {
  await withStore(
    async (store) => {
      const folder = join(store.mountpoint, 'host/x/current/many');
      mkdirSync(folder);
      const wanted = Array.from({ length: ENTRIES }, (_, i) => `entry-${String(i).padStart(6, '0')}`);
      for (const name of wanted) writeFileSync(join(folder, name), '');
      assert.deepEqual(readdirSync(folder).sort(), wanted);
      await store.remount();
      assert.deepEqual(readdirSync(folder).sort(), wanted);
      for (const name of wanted) assert.equal(lstatSync(join(folder, name)).nlink, 1);
      assert.equal(removeWhileListing(folder), ENTRIES);
      rmdirSync(folder);
    },
    { groups: ['host/x'] },
  );
});

test('a file of 8 TiB keeps nobody waiting, and is in a snapshot as it is', async () => {
  await withStore(
    (store) => {
      const path = join(store.mountpoint, 'host/x/current/sparse');
      writeFileSync(path, 'begin');
      truncateSync(path, 8 * TIB);
      store.cairn('snapshot', 'create', 'host/x');
      for (const file of [path, join(store.latest('host/x'), 'sparse')]) {
        const { size, blocks } = statSync(file);
        assert.equal(size, 8 * TIB);
        assert.ok(blocks * 512 < 2 ** 20, `${blocks} blocks of ${file}`);
        const open = openSync(file, 'r');
        const bytes = Buffer.alloc(10, 1);
        assert.equal(readSync(open, bytes, 0, 10, 8 * TIB - 10), 10);
        assert.ok(bytes.equals(Buffer.alloc(10)));
        assert.equal(readSync(open, bytes, 0, 10, 0), 10);
        assert.equal(bytes.toString('latin1'), 'begin\0\0\0\0\0');
        closeSync(open);
      }
    },
    { groups: ['host/x'] },
  );
});
