import assert from 'node:assert/strict';
import { test } from 'node:test';
import { returnFreedMemory } from '../../src/native/heap.js';

test('what was freed goes back while others allocate, and what is in use stays', async () => {
  const kept = Array.from({ length: 1000 }, (_, n) => Buffer.alloc(30_000, n % 256));
  const returned = Promise.all([returnFreedMemory(), returnFreedMemory()]);
  const meanwhile = Array.from({ length: 1000 }, (_, n) => Buffer.alloc(30_000, 255 - (n % 256)));
  await returned;
  for (const [n, bytes] of kept.entries()) assert.equal(bytes[29_999], n % 256);
  for (const [n, bytes] of meanwhile.entries()) assert.equal(bytes[29_999], 255 - (n % 256));
});
