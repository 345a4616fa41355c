import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ContentWriter } from '../../src/snapshot/restore/content-writer.js';
import { temporaryFolder } from '../support/temporary-folder.js';

test('pieces are written where they belong, and each is told of once it is there', async (t) => {
  const path = join(temporaryFolder(t), 'file');
  const descriptor = openSync(path, 'w');
  t.after(() => closeSync(descriptor));
  const writer = new ContentWriter(descriptor, path);
  const content = randomBytes(3_000_000);
  const told: number[] = [];
  for (const [start, end] of [
    [0, 1_000_000],
    [2_000_000, 2_999_990],
    [2_999_990, 3_000_000],
  ] as const) {
    await writer.write(content.subarray(start, end), start, () => told.push(readFileSync(path).length));
  }
  await writer.settled();
  assert.deepEqual(told, [1_000_000, 2_999_990, 3_000_000]);
  content.fill(0, 1_000_000, 2_000_000);
  assert.ok(readFileSync(path).equals(content));
});

test('a write that fails is told by the next call and at the end, with the file', async (t) => {
  const path = join(temporaryFolder(t), 'file');
  closeSync(openSync(path, 'w'));
  const descriptor = openSync(path, 'r');
  t.after(() => closeSync(descriptor));
  const writer = new ContentWriter(descriptor, path);
  let told = 0;
  const written = () => {
    told += 1;
  };
  const refused = new RegExp(`^Cannot write ${path}: EBADF`);
  await assert.rejects(writer.write(Buffer.alloc(10), 0, written), { message: refused });
  await writer.settled();
  await writer.write(Buffer.alloc(1_000_000), 0, written);
  await assert.rejects(writer.write(Buffer.alloc(10), 10, written), { message: refused });
  await assert.rejects(writer.settled(), { message: refused });
  assert.equal(told, 0);
});
