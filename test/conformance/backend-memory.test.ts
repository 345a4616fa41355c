import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryBackend } from '../../src/backend/memory/memory-backend.js';
import { CairnError } from '../../src/core/errors.js';
import { testBackend } from './backend-suite.js';

testBackend('memory', (body) => body(new MemoryBackend()));

test('memory: a full one refuses, and keeps what it had', async () => {
  const backend = new MemoryBackend(10);
  await backend.put('a', Buffer.alloc(6));
  const full = (error: unknown) => error instanceof CairnError && error.kind === 'no-space';
  await assert.rejects(backend.put('b', Buffer.alloc(5)), full);
  await assert.rejects(backend.put('a', Buffer.alloc(11)), full);
  assert.equal(await backend.size('a'), 6);
  await backend.put('a', Buffer.alloc(10));
  assert.equal((await backend.figures()).freeBytes, 0);
  await backend.removeAll(['a']);
  assert.equal((await backend.figures()).freeBytes, 10);
});
