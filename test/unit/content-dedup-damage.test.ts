import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { dropCached } from '../../src/native/chunk-cache.js';
import { noise } from '../support/noise.js';
import { GROUP, OpenStore } from '../support/open-store.js';

/** The files of all chunks but the standing ones, which no test writes again. */
function chunkFilesOf(store: OpenStore, except: ReadonlySet<string>): string[] {
  const root = join(store.folder, '.chunks');
  return readdirSync(root)
    .flatMap((prefix) => readdirSync(join(root, prefix)).map((name) => join(root, prefix, name)))
    .filter((path) => !except.has(path));
}

const DAMAGES: Readonly<Record<string, (store: OpenStore, path: string) => void>> = {
  missing: (_, path) => rmSync(path),
  short: (_, path) => truncateSync(path, readFileSync(path).length - 1),
  'known to be bad': (store, path) => {
    const bytes = readFileSync(path);
    bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
    writeFileSync(path, bytes);
    store.datastore.catalog.chunks.setState(Buffer.from(path.slice(-64), 'hex'), 'bad');
  },
};

for (const [kind, damage] of Object.entries(DAMAGES)) {
  test(`content written again never uses a chunk that is ${kind}: large files, packs, headers and metadata`, async (t) => {
    const store = await OpenStore.make(t);
    const standing = new Set(chunkFilesOf(store, new Set()));
    const write = async (): Promise<void> => {
      for (let n = 0; n < 4; n++) await store.write(`${GROUP}/current/small-${n}`, noise(`${n}`, 30_000));
      await store.write(`${GROUP}/current/large`, noise('large', 2_000_000));
      await store.live.contents.flushAll();
      await store.live.packer.run();
    };
    await write();
    await store.snapshot();
    const written = chunkFilesOf(store, standing);
    assert.ok(written.length >= 5);
    await store.live.durability.commitDurably();
    for (const path of written) {
      damage(store, path);
      dropCached(Buffer.from(path.slice(-64), 'hex'));
    }
    const before = store.datastore.chunks.counters.reuses;
    await write();
    await store.snapshot();
    assert.equal(store.datastore.chunks.counters.reuses, before);
    assert.deepEqual(await store.read(`${GROUP}/current/large`), noise('large', 2_000_000));
    for (let n = 0; n < 4; n++)
      assert.deepEqual(await store.read(`${GROUP}/current/small-${n}`), noise(`${n}`, 30_000));
    const data = written.filter((path) => existsSync(path) && readFileSync(path).length > 100_000);
    assert.ok(data.length >= 2);
    for (const path of data) {
      assert.equal(store.datastore.catalog.chunks.find(Buffer.from(path.slice(-64), 'hex'))?.state, 'present');
    }
  });
}
