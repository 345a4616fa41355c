import assert from 'node:assert/strict';
import { createCipheriv, createHash } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkAllChunks } from '../support/check-chunks.js';
import { outputOf } from '../support/commands.js';
import { type TestStore, withStore } from '../support/mounted-store.js';

const MIB = 1024 * 1024;
const DISK_MIB = 400;
const FILE_BYTES = 3 * MIB;

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Calls `body` with the root of a small file system of its own. */
async function onSmallDisk(body: (disk: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-disk-'));
  const [image, disk] = [join(folder, 'image'), join(folder, 'disk')];
  mkdirSync(disk);
  outputOf('truncate', ['-s', `${DISK_MIB}M`, image]);
  outputOf('mkfs.ext4', ['-q', '-F', '-m', '0', image]);
  outputOf('mount', ['-o', 'loop', image, disk]);
  try {
    await body(disk);
  } finally {
    outputOf('umount', [disk]);
    rmSync(folder, { recursive: true });
  }
}

/** Bytes of a file that no other file shares. */
function contentOf(number: number): Buffer {
  const start = Buffer.alloc(16);
  start.writeUInt32BE(number);
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, 3), start).update(Buffer.alloc(FILE_BYTES));
}

/** Writes a file to the end, close included; returns the errno of the first step that failed. */
function tryWrite(path: string, bytes: Buffer): string | undefined {
  let open: number | undefined;
  try {
    open = openSync(path, 'w');
    for (let at = 0; at < bytes.length; ) at += writeSync(open, bytes, at);
    fsyncSync(open);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  } finally {
    if (open !== undefined) closeQuietly(open);
  }
}

/** The error was told by write or fsync; close may tell it again. */
function closeQuietly(open: number): void {
  try {
    closeSync(open);
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
  }
}

/** Fills the disk; returns how many files were written and synced, and what the first failing one got. */
function fill(current: string): { kept: number; error: string | undefined } {
  for (let number = 0; number < 2 * ((DISK_MIB * MIB) / FILE_BYTES); number++) {
    const error = tryWrite(join(current, String(number)), contentOf(number));
    if (error !== undefined) return { kept: number, error };
  }
  return { kept: 0, error: undefined };
}

function assertKept(current: string, kept: number): void {
  for (let number = 0; number < kept; number++) {
    assert.equal(digestOf(readFileSync(join(current, String(number)))), digestOf(contentOf(number)), `file ${number}`);
  }
}

async function fillAndRecover(store: TestStore): Promise<void> {
  store.log.expect(/ENOSPC|no space|full/i);
  const current = join(store.mountpoint, 'host/x/current');
  const { kept, error } = fill(current);
  assert.equal(error, 'ENOSPC');
  assert.ok(kept > 50, `${kept} files fitted`);
  assertKept(current, kept);
  for (const name of [String(kept), '0']) rmSync(join(current, name));
  const removed = contentOf(0);
  await store.remount();
  assert.ok(statfsSync(store.mountpoint).bavail >= 0);
  for (let number = 1; number < kept; number++) {
    assert.equal(digestOf(readFileSync(join(current, String(number)))), digestOf(contentOf(number)), `file ${number}`);
  }
  // Content the store has is deduplicated, so it fits even now.
  assert.equal(tryWrite(join(current, '0'), removed), undefined);
  await store.umount();
  assert.ok(checkAllChunks(store.store) > kept);
}

test('a full disk is an error to the writer and harms nothing', {
  skip: process.getuid?.() === 0 ? false : 'needs root',
}, async () => {
  await onSmallDisk(async (disk) => {
    await withStore(fillAndRecover, { groups: ['host/x'], inside: disk });
  });
});
