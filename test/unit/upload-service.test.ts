import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { type TestContext, test } from 'node:test';
import { CachedBackend } from '../../src/backend/cache/cached-backend.js';
import { MemoryBackend } from '../../src/backend/memory/memory-backend.js';
import { silentLog } from '../../src/core/log.js';
import { UploadService } from '../../src/daemon/upload-service.js';
import { ofKind } from '../support/catalog.js';
import { TestLiveStore } from '../support/live-store.js';

/** Uploads of a store whose jobs fail: its config knows of no object store. */
async function failingUploads(t: TestContext): Promise<UploadService> {
  const { datastore, live, path } = await TestLiveStore.make(t);
  const remote = new MemoryBackend();
  const { transfers } = new CachedBackend(path, remote);
  const listing = { objects: () => assert.fail('nothing is listed') };
  const objects = { title: 'memory', remote, listing, transfers, shared: undefined };
  const service = UploadService.of({ ...datastore, objects }, live, silentLog);
  assert.ok(service);
  t.after(() => service.end());
  return service;
}

test('a signal that is never aborted keeps nothing of the uploads that were waited for', async (t) => {
  const service = await failingUploads(t);
  const { signal } = new AbortController();
  const context = { progress: () => undefined, signal };
  for (let n = 0; n < 2; n += 1) await assert.rejects(service.drain(context));
  assert.deepEqual(getEventListeners(signal, 'abort'), []);
});

test('who gives up waiting for uploads is told that they go on', async (t) => {
  const service = await failingUploads(t);
  const context = { progress: () => undefined, signal: AbortSignal.abort() };
  await assert.rejects(service.drain(context), ofKind('interrupted'));
  await assert.rejects(service.drain(context), /goes on in the background/);
});
