import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { outputOf } from './commands.js';

const PLAIN_MAGIC = '42ab3807be8370a1';
const ZSTD_MAGIC = '31b958426fb6a37f';
const HEADER_BYTES = 12;

/** Chunks decoded by one call of zstd, so that the plain bytes of only so many lie in the temporary folder. */
const BATCH = 500;

/** The chunk files of a store in the two-level layout; fails where anything else lies among them. */
export function chunkFiles(store: string): string[] {
  const root = join(store, '.chunks');
  const files: string[] = [];
  for (const prefix of readdirSync(root)) {
    assert.match(prefix, /^[0-9a-f]{2}$/, `folder ${prefix} in .chunks`);
    for (const name of readdirSync(join(root, prefix))) {
      assert.match(name, /^[0-9a-f]{64}$/, `file ${prefix}/${name} in .chunks`);
      assert.ok(name.startsWith(prefix), `${prefix}/${name} lies in the wrong folder`);
      files.push(join(root, prefix, name));
    }
  }
  return files;
}

/**
 * Decodes every chunk of a store without the product's code (pbs-format §2.1: magic, CRC32, plain or zstd, the
 * latter by the `zstd` command) and fails where one's SHA-256 is not its name.
 * @returns how many there are
 */
export function checkAllChunks(store: string): number {
  const files = chunkFiles(store);
  for (let start = 0; start < files.length; start += BATCH) checkBatch(files.slice(start, start + BATCH));
  return files.length;
}

function checkBatch(files: readonly string[]): void {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-chunks-'));
  try {
    const compressed: string[] = [];
    for (const file of files) {
      const digest = file.slice(-64);
      const { magic, payload } = openBlob(file);
      if (magic === PLAIN_MAGIC) assertDigest(payload, digest);
      else compressed.push(stage(folder, digest, payload));
    }
    if (compressed.length === 0) return;
    mkdirSync(join(folder, 'plain'));
    outputOf('zstd', ['--quiet', '--decompress', '--output-dir-flat', join(folder, 'plain'), ...compressed]);
    for (const digest of readdirSync(join(folder, 'plain'))) {
      assertDigest(readFileSync(join(folder, 'plain', digest)), digest);
    }
    assert.equal(readdirSync(join(folder, 'plain')).length, compressed.length);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function openBlob(file: string): { magic: string; payload: Buffer } {
  const blob = readFileSync(file);
  const magic = blob.toString('hex', 0, 8);
  const payload = blob.subarray(HEADER_BYTES);
  assert.ok(magic === PLAIN_MAGIC || magic === ZSTD_MAGIC, `${file}: magic ${magic}`);
  assert.equal(blob.readUInt32LE(8), crc32(payload), `${file}: CRC32`);
  return { magic, payload };
}

function stage(folder: string, digest: string, payload: Buffer): string {
  const path = join(folder, `${digest}.zst`);
  assert.ok(!existsSync(path));
  writeFileSync(path, payload);
  return path;
}

function assertDigest(plain: Uint8Array, digest: string): void {
  assert.equal(createHash('sha256').update(plain).digest('hex'), digest, 'SHA-256 of a chunk is its name');
}
