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

test('uploading goes on by itself when the wall clock is set back', async (t) => {
  const service = await failingUploads(t);
  let [wall, steady] = [Date.UTC(2026, 10, 22), 0];
  t.mock.method(Date, 'now', () => wall);
  t.mock.method(performance, 'now', () => steady);
  t.mock.timers.enable({ apis: ['setInterval'] });
  service.start();
  const pass = (seconds: number): boolean => {
    wall += seconds * 1000;
    steady += seconds * 1000;
    t.mock.timers.tick(500);
    return service.status().running;
  };
  const ended = async (): Promise<void> => {
    while (service.status().running) await new Promise(setImmediate);
  };
  assert.ok(pass(3));
  await ended();
  assert.equal(service.status().nextTryAt, wall / 1000 + 5);
  wall -= 24 * 3600 * 1000;
  assert.equal(service.status().nextTryAt, wall / 1000 + 5);
  assert.ok(!pass(4));
  assert.ok(pass(2));
  await ended();
  assert.equal(service.status().failures, 2);
});
