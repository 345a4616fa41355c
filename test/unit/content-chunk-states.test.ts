import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FsBackend } from '../../src/backend/fs/fs-backend.js';
import { MAX_BATCH } from '../../src/chunkstore/batches.js';
import { chunkName } from '../../src/chunkstore/layout.js';
import { Quarantine, type QuarantinedChunk } from '../../src/chunkstore/quarantine.js';
import { beginSweep } from '../../src/chunkstore/removal.js';
import { setAside } from '../../src/chunkstore/set-aside.js';
import { CatalogChunkStates } from '../../src/content/catalog-chunk-states.js';
import { CairnError } from '../../src/core/errors.js';
import { dropCached } from '../../src/native/chunk-cache.js';
import { bodyOf, TestLiveStore } from '../support/live-store.js';
import { Random } from '../support/random.js';

async function write(store: TestLiveStore, ino: number, bytes: Buffer): Promise<void> {
  await store.openFile(ino).write(0, bodyOf(bytes));
  await store.live.contents.close(ino);
}

/** A store with one small file, packed and committed; a collector's backend is one of its own, as in a thread of its own. */
async function packed(t: TestContext) {
  const store = await TestLiveStore.make(t);
  const bytes = new Random(5).bytes(3000);
  const ino = store.makeFile('file');
  await write(store, ino, bytes);
  await store.live.packer.run();
  const extent = store.datastore.catalog.extents.overlapping(ino, 0, 1)[0];
  assert.ok(extent?.kind === 'chunk');
  const { catalog, config, paths } = store.datastore;
  const { parts, durability } = store.live;
  const states = new CatalogChunkStates({ catalog, chunks: parts.chunks, durability, log: parts.log });
  const backend = new FsBackend(paths.root);
  const sweepParts = { backend, prefixDigits: config.prefixDigits, states, since: 1000, chunks: parts.chunks };
  const stateOf = () => catalog.chunks.find(extent.digest)?.state;
  return { store, ino, bytes, digest: extent.digest, states, sweepParts, stateOf };
}

test('chunks of a live store go through quarantine, expiry, undelete and a new write', async (t) => {
  const { store, ino, bytes, digest, sweepParts, stateOf } = await packed(t);
  const quarantine = new Quarantine(sweepParts);
  const remove = async () => {
    const sweep = beginSweep(sweepParts);
    await sweep.mark(() => undefined);
    const removal = await sweep.remove([digest], 'quarantine');
    await sweep.end();
    dropCached(digest);
    return removal;
  };
  const listed = async () => {
    const chunks: QuarantinedChunk[] = [];
    for await (const chunk of quarantine.list()) chunks.push(chunk);
    return quarantine.weigh(chunks);
  };
  // The writer's commit does not name the chunk yet.
  assert.equal((await remove()).held.length, 1);
  await store.commitAll();
  assert.equal((await remove()).removed.length, 1);
  assert.equal(stateOf(), 'quarantined');
  await store.live.durability.commitDurably();
  const [chunk] = await listed();
  assert.ok(chunk);
  assert.equal(await quarantine.undelete(chunk), 'restored');
  assert.equal(stateOf(), 'present');
  assert.deepEqual(await store.read(ino), bytes);

  assert.equal((await remove()).removed.length, 1);
  // The same content once more: its old piece is no longer there.
  await write(store, store.makeFile('again'), bytes);
  await store.live.packer.run();
  assert.equal(stateOf(), 'present');
  const again = await listed();
  assert.equal((await quarantine.expire(again)).chunks, 1);
  assert.equal(stateOf(), 'present');
  assert.deepEqual(await store.read(ino), bytes);
  await store.commitAll();
  await remove();
  await quarantine.expire(await listed());
  assert.equal(stateOf(), 'absent');
  // No barrier asks for a file that the collector took away.
  await store.live.parts.chunks.sync();
});

test('a healed chunk is known as present only when it is durable', async (t) => {
  const { store, bytes, digest, sweepParts, stateOf, ino } = await packed(t);
  await store.commitAll();
  await sweepParts.backend.put(chunkName(digest, sweepParts.prefixDigits), Buffer.from('damaged'));
  assert.equal((await setAside(sweepParts, digest)).kind, 'aside');
  assert.equal(stateOf(), 'bad');
  dropCached(digest);
  const { chunks } = store.live.parts;
  const sync = chunks.sync.bind(chunks);
  let stateWhileSyncing: string | undefined;
  chunks.sync = () => {
    stateWhileSyncing ??= stateOf();
    return sync();
  };
  await write(store, store.makeFile('again'), bytes);
  await store.live.packer.run();
  assert.equal(stateWhileSyncing, 'bad');
  assert.equal(stateOf(), 'present');
  assert.deepEqual(await store.read(ino), bytes);
});

test('states are not written where the store takes no changes, nor too many at once', async (t) => {
  const { store, digest, states, stateOf } = await packed(t);
  const tooMany = new Array<Uint8Array>(MAX_BATCH + 1).fill(digest);
  const isKind = (kind: string) => (error: unknown) => error instanceof CairnError && error.kind === kind;
  await assert.rejects(states.forget(tooMany, 'absent'), isKind('invalid'));
  store.live.parts.log.fail('it is a test', undefined);
  await assert.rejects(states.forget([digest], 'absent'), isKind('read-only'));
  assert.equal(stateOf(), 'present');
});
