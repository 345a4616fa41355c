import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Backend } from '../../src/backend/backend.js';
import { CHUNKER_FIXED } from '../../src/catalog/inode.js';
import { dropCached, setCacheLimit } from '../../src/native/chunk-cache.js';
import { bodyOf, TestLiveStore } from '../support/live-store.js';
import { noise } from '../support/noise.js';

const MIB = 1024 * 1024;
const IMAGE_BYTES = 12 * MIB;
/** Three chunks of 4 MiB. */
const IMAGE = noise('image', IMAGE_BYTES);

function limitCache(t: TestContext, bytes: number): void {
  setCacheLimit(0);
  setCacheLimit(bytes);
  t.after(() => setCacheLimit(64 * MIB));
}

/** A store with an image in it. @returns the image's inode */
async function writeImage(store: TestLiveStore): Promise<number> {
  const ino = store.makeFile('image', CHUNKER_FIXED);
  const content = store.openFile(ino);
  for (let at = 0; at < IMAGE_BYTES; at += MIB) await content.write(at, bodyOf(IMAGE.subarray(at, at + MIB)));
  await store.live.contents.close(ino);
  await store.live.packer.run();
  return ino;
}

for (const [what, bytes] of Object.entries({ 'nothing at all': 0, 'less than a read takes': 5 * MIB })) {
  test(`a chunk cache that holds ${what} fails no read and no cutting`, async (t) => {
    const store = await TestLiveStore.make(t);
    const ino = await writeImage(store);
    limitCache(t, bytes);
    assert.ok((await store.read(ino)).equals(IMAGE));
    assert.ok((await store.read(ino, 4 * MIB - 1000, 2000)).equals(IMAGE.subarray(4 * MIB - 1000, 4 * MIB + 1000)));
    const patch = noise('patch', 5000);
    const content = store.openFile(ino);
    await content.write(5 * MIB, bodyOf(patch));
    const patched = Buffer.from(IMAGE);
    patch.copy(patched, 5 * MIB);
    assert.ok((await store.read(ino)).equals(patched), 'with bytes in memory');
    await store.live.contents.close(ino);
    assert.ok((await store.read(ino)).equals(patched), 'with bytes in the journal');
    await store.live.packer.run();
    assert.deepEqual(
      [...store.datastore.catalog.extents.all(ino)].map(({ kind }) => kind),
      ['chunk', 'chunk', 'chunk'],
    );
    assert.ok((await store.read(ino)).equals(patched), 'cut anew');
  });
}

test('what others push out of the cache while a read loads the rest is there nevertheless', async (t) => {
  const store: TestLiveStore = await TestLiveStore.make(t, { backend: (real) => pushingOut(real, () => all) });
  let all: Uint8Array[] = [];
  const ino = await writeImage(store);
  const extents = [...store.datastore.catalog.extents.all(ino)];
  const digests = extents.flatMap((extent) => (extent.kind === 'chunk' ? [extent.digest] : []));
  assert.equal(digests.length, 3);
  limitCache(t, 64 * MIB);
  // The first of them is in the cache when the read begins.
  await store.read(ino, 0, 1);
  all = digests;
  assert.ok((await store.read(ino)).equals(IMAGE));
  // So few are looked for in the cache first.
  assert.ok((await store.read(ino, 3 * MIB, 2 * MIB)).equals(IMAGE.subarray(3 * MIB, 5 * MIB)));
});

/** With each blob that is fetched, these chunks leave the cache. */
function pushingOut(real: Backend, digests: () => readonly Uint8Array[]): Backend {
  return new Proxy(real, {
    get(target, key) {
      // Else the addon would read the blobs by itself.
      if (key === 'localFiles') return undefined;
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      if (key !== 'get') return value.bind(target);
      return async (name: string) => {
        const blob = await target.get(name);
        for (const digest of digests()) dropCached(digest);
        return blob;
      };
    },
  });
}
