import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chunkerFor, cutterFor } from '../../src/chunk/chunker-choice.js';
import { MAX_CHUNK_BYTES, METADATA_CUTTER } from '../../src/chunk/limits.js';

const chunkerOf = (name: string) => chunkerFor(Buffer.from(name, 'latin1'));

test('disk images are cut at fixed offsets, all else by content', () => {
  const images = [
    'disk.img',
    'a.raw',
    'vm-100-disk-0.qcow2',
    'X.QCOW',
    'x.vmdk',
    'x.vdi',
    'x.vhd',
    'x.VHDX',
    '\xff.img',
  ];
  for (const name of images) assert.equal(chunkerOf(name), 'fixed', name);
  const others = ['debian.iso', 'img', '.img', 'a.img.gz', 'a.imgx', 'raw', 'a', 'mail.mbox', '\xff'];
  for (const name of others) assert.equal(chunkerOf(name), 'dynamic', name);
});

test("rsync's temporary name counts as the name it will be", () => {
  assert.equal(chunkerOf('.disk.img.Ab3xYz'), 'fixed');
  assert.equal(chunkerOf('.notes.txt.Ab3xYz'), 'dynamic');
  // Six more characters that are no such suffix, or nothing before it.
  assert.equal(chunkerOf('disk.img.Ab3xYz'), 'dynamic');
  assert.equal(chunkerOf('.disk.img.Ab3-Yz'), 'dynamic');
  assert.equal(chunkerOf('..abcdef'), 'dynamic');
});

test('cutters stay within the limit of a chunk', () => {
  assert.deepEqual(cutterFor('fixed'), { kind: 'fixed', chunkBytes: 4 * 1024 * 1024 });
  for (const cutter of [cutterFor('dynamic'), METADATA_CUTTER]) {
    assert.ok(cutter.kind === 'dynamic');
    assert.ok(cutter.minBytes < cutter.averageBytes && cutter.averageBytes < cutter.maxBytes);
    assert.ok(cutter.maxBytes <= MAX_CHUNK_BYTES);
  }
});
