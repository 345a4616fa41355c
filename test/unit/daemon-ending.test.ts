import assert from 'node:assert/strict';
import { test } from 'node:test';
import { awaitEnd } from '../../src/daemon/ending.js';
import { ofKind } from '../support/catalog.js';
import { keptLog } from '../support/live-store.js';

test('what never ends is told, and then no longer waited for', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const log = keptLog();
  const ended = awaitEnd('a collection', new Promise(() => undefined), log);
  t.mock.timers.tick(30_000);
  assert.deepEqual(log.lines, Array(2).fill('warn The end of the mount waits for a collection'));
  const refused = assert.rejects(ended, ofKind('io'));
  t.mock.timers.tick(300_000);
  await refused;
});

test('what ends or fails is waited for without a word', async () => {
  const log = keptLog();
  await awaitEnd('a collection', Promise.resolve(), log);
  await awaitEnd('uploads', undefined, log);
  await assert.rejects(awaitEnd('a collection', Promise.reject(new Error('broken')), log), /broken/);
  assert.deepEqual(log.lines, []);
});
