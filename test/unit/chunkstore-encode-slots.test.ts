import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EncodeSlots } from '../../src/chunkstore/encode-slots.js';

const MIB = 1024 * 1024;

test('a slot keeps its buffer for the next task, unless it is very large', async () => {
  const slots = new EncodeSlots(1);
  const bufferFor = (bytes: number) => slots.use(bytes, async (buffer) => buffer);
  const first = await bufferFor(300_000);
  assert.equal(await bufferFor(100), first);
  const grown = await bufferFor(4 * MIB + 12);
  assert.ok(grown.length >= 4 * MIB + 12);
  assert.equal(await bufferFor(100), grown);
  const large = await bufferFor(16 * MIB + 12);
  assert.ok(large.length >= 16 * MIB + 12 && large.length < 17 * MIB);
  assert.notEqual(await bufferFor(100), large);
});

test('tasks at once never share a buffer', async () => {
  const slots = new EncodeSlots(3);
  const inUse = new Set<Buffer>();
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      slots.use(index * 1000, async (buffer) => {
        assert.ok(!inUse.has(buffer));
        inUse.add(buffer);
        assert.ok(inUse.size <= 3);
        await new Promise((resolve) => setImmediate(resolve));
        inUse.delete(buffer);
      }),
    ),
  );
});
