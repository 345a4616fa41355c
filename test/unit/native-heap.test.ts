import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { returnFreedMemory } from '../../src/native/heap.js';

/** Blocks that malloc takes out of its heaps, not from the kernel one by one. */
const BLOCK_BYTES = 60_000;
const BLOCKS = 4000;
const KEPT_EVERY = 40;

function blocks(count: number, from = 0): Buffer[] {
  return Array.from({ length: count }, (_, n) => Buffer.alloc(BLOCK_BYTES, (from + n) % 256));
}

function residentBytes(): number {
  const [, kibibytes] = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kibibytes) * 1024;
}

/** What lies between blocks that stay, malloc cannot give back by itself. */
test('what was freed between what is in use goes back, while others allocate', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  let all = blocks(BLOCKS);
  const kept = all.filter((_, n) => n % KEPT_EVERY === 0);
  all = [];
  for (let times = 0; times < 3; times += 1) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const before = residentBytes();
  const returned = Promise.all([returnFreedMemory(), returnFreedMemory()]);
  const meanwhile = blocks(100, 7);
  await returned;
  const freed = (BLOCKS - kept.length) * BLOCK_BYTES;
  assert.ok(before - residentBytes() > freed / 2, `${before - residentBytes()} of ${freed} bytes`);
  for (const [n, bytes] of kept.entries()) assert.equal(bytes[BLOCK_BYTES - 1], (n * KEPT_EVERY) % 256);
  for (const [n, bytes] of meanwhile.entries()) assert.equal(bytes[BLOCK_BYTES - 1], (7 + n) % 256);
});
