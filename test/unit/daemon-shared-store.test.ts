import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CachedBackend } from '../../src/backend/cache/cached-backend.js';
import { MemoryBackend } from '../../src/backend/memory/memory-backend.js';
import { CairnError } from '../../src/core/errors.js';
import { silentLog } from '../../src/core/log.js';
import { monotonicSeconds, SharedStore } from '../../src/daemon/shared/shared-store.js';
import { BucketCollection } from '../../src/datastore/shared/bucket-collection.js';
import { roundsOf } from '../../src/datastore/shared/rounds.js';
import type { SharedObjects } from '../../src/datastore/shared/shared-objects.js';
import { Watch } from '../../src/datastore/shared/watch.js';
import { ofKind } from '../support/catalog.js';
import { TestLiveStore } from '../support/live-store.js';

/** An object store that machines can share, and that may be away. */
class SharedMemory implements SharedObjects {
  readonly remote = new MemoryBackend();
  isAway = false;

  #there(): MemoryBackend {
    if (this.isAway) throw new CairnError('unreachable', 'made to be away');
    return this.remote;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await this.#there().put(name, Buffer.from(bytes));
  }

  async get(name: string): Promise<Buffer> {
    return this.#there().get(name);
  }

  async size(name: string): Promise<number | undefined> {
    return this.#there().size(name);
  }

  async *list(prefix: string): AsyncIterable<string> {
    yield* this.#there().list(prefix);
  }

  async removeAll(names: readonly string[]): Promise<void> {
    await this.#there().removeAll(names);
  }

  deleteOnce(names: readonly string[]): Promise<void> {
    return this.removeAll(names);
  }

  async putNew(name: string, bytes: Uint8Array): Promise<boolean> {
    if ((await this.size(name)) !== undefined) return false;
    await this.put(name, bytes);
    return true;
  }

  unanswered(): number {
    return 0;
  }
}

async function sharedStore(t: TestContext, objects: SharedMemory): Promise<SharedStore> {
  const { datastore, live, path } = await TestLiveStore.make(t);
  const { remote } = objects;
  const { transfers } = new CachedBackend(path, remote);
  const listing = { objects: () => assert.fail('nothing is listed') };
  const places = { title: 'memory', remote, listing, transfers, shared: objects };
  const store = await SharedStore.of({ ...datastore, objects: places }, live, silentLog);
  assert.ok(store);
  t.after(() => store.end());
  return store;
}

test('a collection that failed while the object store was away is given up as soon as that is back', async (t) => {
  const objects = new SharedMemory();
  const shared = await sharedStore(t, objects);
  const { lease } = await shared.ensure(new AbortController().signal);
  const collection = new BucketCollection({
    ...{ objects, lease, identity: { id: shared.machine, host: 'web' }, now: monotonicSeconds, settleSeconds: 1 },
    ...{ watch: new Watch(objects, monotonicSeconds, 60), rest: async () => undefined, progress: () => undefined },
    roots: () => ({
      has: () => true,
      mark: async () => {
        objects.isAway = true;
        throw new CairnError('unreachable', 'made to be away while index files are read');
      },
    }),
    chunks: async function* () {},
    atOnce: 1,
  });
  await assert.rejects(
    shared.collecting(() => collection.run()),
    ofKind('unreachable'),
  );
  await shared.beat();
  objects.isAway = false;
  const phase = async (): Promise<string | undefined> => (await roundsOf(objects).head())?.value.phase;
  assert.equal(await phase(), 'marking');
  await shared.beat();
  // It begins when what the beat began is done.
  assert.equal(await shared.collecting(phase), 'settled');
});
