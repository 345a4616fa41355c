import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { outputOf } from '../support/commands.js';
import { type TestStore, withStore } from '../support/mounted-store.js';
import { python } from '../support/python.js';

const MIB = 1024 * 1024;

/** What the daemon has done to chunks so far. */
const work = (store: TestStore): unknown => store.status().chunks;

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: MIB }), hash);
  return hash.digest('hex');
}

/** A file of `count` times the same 16 MiB: much to move, little to store. */
function largeFile(path: string, count: number): void {
  const block = randomBytes(16 * MIB);
  const open = openSync(path, 'w');
  for (let n = 0; n < count; n += 1) writeSync(open, block);
  closeSync(open);
}

test('cp of a file of 1 GiB moves nothing: no chunk is loaded, written or looked at', async () => {
  await withStore(
    async (store) => {
      const folder = join(store.mountpoint, 'host/web1/current');
      const path = join(folder, 'file');
      largeFile(path, 64);
      store.cairn('sync');
      const before = work(store);
      outputOf('cp', [path, join(folder, 'one')]);
      outputOf('cp', ['--reflink=auto', '--sparse=auto', path, join(folder, 'two')]);
      assert.deepEqual(work(store), before);
      assert.equal(statSync(join(folder, 'two')).size, 1024 * MIB);
      assert.equal(statSync(join(folder, 'two')).blocks, statSync(path).blocks);
      await store.remount();
      assert.equal(await hashOf(join(folder, 'two')), await hashOf(path));
    },
    { groups: ['host/web1'] },
  );
});

test('a file of a snapshot is copied back without moving anything', async () => {
  await withStore(
    async (store) => {
      const current = join(store.mountpoint, 'host/web1/current');
      const large = randomBytes(9 * MIB + 77);
      const small = randomBytes(5000);
      writeFileSync(join(current, 'large'), large);
      writeFileSync(join(current, 'small'), small);
      python(
        'f = open(args[0], "wb"); f.truncate(50 << 20); f.seek(20 << 20); f.write(b"x" * (1 << 20)); f.close()',
        join(current, 'sparse'),
      );
      store.cairn('snapshot', 'create', 'host/web1');
      const latest = store.latest('host/web1');
      mkdirSync(join(current, 'back'));
      // The first look at a snapshot loads its metadata.
      outputOf('cp', [join(latest, 'small'), join(current, 'back/first')]);
      const before = work(store);
      for (const name of ['large', 'small']) outputOf('cp', [join(latest, name), join(current, 'back', name)]);
      // cp itself reads the data between holes.
      const program =
        'i, o = os.open(args[0], 0), os.open(args[1], 66); print(os.copy_file_range(i, o, 1 << 40, 0, 0))';
      assert.equal(python(program, join(latest, 'sparse'), join(current, 'back/sparse')), String(50 * MIB));
      assert.deepEqual(work(store), before, 'chunks are named, not read');
      assert.ok(readFileSync(join(current, 'back/large')).equals(large));
      assert.ok(readFileSync(join(current, 'back/small')).equals(small));
      assert.equal(await hashOf(join(current, 'back/sparse')), await hashOf(join(current, 'sparse')));
      assert.equal(statSync(join(current, 'back/sparse')).blocks, statSync(join(current, 'sparse')).blocks);
      store.cairn('snapshot', 'create', 'host/web1');
      outputOf('diff', ['-r', current, store.latest('host/web1')]);
    },
    { groups: ['host/web1'] },
  );
});

test('ragged copies are cut anew by the next snapshot, which shows them whole', async () => {
  await withStore(
    async (store) => {
      const current = join(store.mountpoint, 'host/web1/current');
      const bytes = randomBytes(12 * MIB);
      writeFileSync(join(current, 'file'), bytes);
      const program = `
i, o = os.open(args[0], os.O_RDONLY), os.open(args[1], os.O_RDWR | os.O_CREAT)
print(os.copy_file_range(i, o, 7 << 20, 1234567, 0), os.copy_file_range(i, o, 100000, 77, 9 << 20))`;
      assert.equal(python(program, join(current, 'file'), join(current, 'part')), '7340032 100000');
      store.cairn('snapshot', 'create', 'host/web1');
      const wanted = Buffer.alloc(9 * MIB + 100_000);
      bytes.copy(wanted, 0, 1_234_567, 1_234_567 + 7 * MIB);
      bytes.copy(wanted, 9 * MIB, 77, 100_077);
      assert.ok(readFileSync(join(current, 'part')).equals(wanted));
      assert.ok(readFileSync(join(store.latest('host/web1'), 'part')).equals(wanted));
      await store.remount();
      assert.ok(readFileSync(join(current, 'part')).equals(wanted));
    },
    { groups: ['host/web1'] },
  );
});
