import assert from 'node:assert/strict';
import { createCipheriv, createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkAllChunks } from '../support/check-chunks.js';
import { until } from '../support/commands.js';
import { type TestStore, withStore } from '../support/mounted-store.js';
import { fillDisk, NEEDS_ROOT, onExt4, roomOf } from '../support/small-disk.js';

const MIB = 1024 * 1024;
const DISK_MIB = 400;
const FILE_BYTES = 3 * MIB;
const RESERVE_BYTES = 64 * MIB;

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

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

function assertKept(folder: string, from: number, to: number): void {
  for (let number = from; number < to; number++) {
    assert.equal(digestOf(readFileSync(join(folder, String(number)))), digestOf(contentOf(number)), `file ${number}`);
  }
}

function reservedBytes(store: TestStore): number {
  return statSync(join(store.store, '.cairn/reserve')).blocks * 512;
}

function hasProblem(store: TestStore, kind: string): boolean {
  // It ends with an exit code of its own where there are problems.
  const { problems } = JSON.parse(store.run(['status', '--json']).stdout) as { problems: { kind: string }[] };
  return problems.some((problem) => problem.kind === kind);
}

/** Resolves when the daemon has set its reserve aside again. */
async function recovered(store: TestStore): Promise<void> {
  await until('reserve', () => reservedBytes(store) >= RESERVE_BYTES, 20_000);
}

async function fillAndRecover(store: TestStore, disk: string): Promise<void> {
  store.log.expect(/ENOSPC|no space|full|room|reserve/i);
  const current = join(store.mountpoint, 'host/x/current');
  for (let number = 0; number < 20; number++) writeFileSync(join(current, String(number)), contentOf(number));
  store.cairn('snapshot', 'create', 'host/x');
  const told = statfsSync(store.mountpoint);
  assert.ok(told.bavail > 0 && told.bavail * told.bsize <= roomOf(disk), 'more room is told of than there is');
  const { kept, error } = fill(current);
  assert.equal(error, 'ENOSPC');
  assert.ok(kept > 50, `${kept} files fitted`);
  // What is left over, others take.
  const empty = fillDisk(disk);
  assert.equal(roomOf(disk), 0);
  assert.equal(tryWrite(join(current, 'new'), contentOf(9999)), 'ENOSPC');
  assertKept(current, 0, kept);
  for (let number = 20; number < kept; number += 2) rmSync(join(current, String(number)));
  await until('the reserve to go', () => hasProblem(store, 'disk-full'), 20_000);
  assert.equal(tryWrite(join(current, 'new'), contentOf(9999)), 'ENOSPC', 'the reserve was given to a writer');
  assert.equal(statfsSync(store.mountpoint).bavail, 0, 'what is left of the reserve counts as room');
  await store.remount();
  assert.ok(hasProblem(store, 'disk-full'));
  store.cairn('snapshot', 'forget', 'host/x/latest');
  store.cairn('gc', '--grace', '0');
  await recovered(store);
  assert.ok(!hasProblem(store, 'disk-full'));
  for (let number = 21; number < kept; number += 2) assertKept(current, number, number + 1);
  assertKept(current, 0, 20);
  assert.equal(tryWrite(join(current, 'new'), contentOf(9999)), undefined);
  store.cairn('check', '--deep');
  empty();
  await store.umount();
  assert.ok(checkAllChunks(store.store) > kept / 2);
}

test('a full disk is an error to the writer, and deleting, forgetting and collecting work', {
  skip: NEEDS_ROOT,
}, async () => {
  await onExt4(DISK_MIB, async (disk) => {
    await withStore((store) => fillAndRecover(store, disk), { groups: ['host/x'], inside: disk });
  });
});

test('a store that was closed on a full disk is opened, collected and has room again', {
  skip: NEEDS_ROOT,
}, async () => {
  await onExt4(DISK_MIB, async (disk) => {
    const body = async (store: TestStore): Promise<void> => {
      store.log.expect(/ENOSPC|no space|full|room|reserve/i);
      const current = join(store.mountpoint, 'host/x/current');
      for (let number = 0; number < 40; number++) writeFileSync(join(current, String(number)), contentOf(number));
      store.cairn('snapshot', 'create', 'host/x');
      for (let number = 0; number < 39; number++) rmSync(join(current, String(number)));
      await store.umount();
      const empty = fillDisk(disk);
      store.cairn('snapshot', 'forget', 'host/x/latest');
      store.cairn('gc', '--grace', '0');
      assert.ok(reservedBytes(store) >= RESERVE_BYTES, 'the reserve is not back');
      await store.mount();
      assertKept(current, 39, 40);
      await store.umount();
      empty();
      assert.ok(checkAllChunks(store.store) > 0);
    };
    await withStore(body, { groups: ['host/x'], inside: disk });
  });
});

test('the quarantine is emptied, oldest first, before a writer hears of a full disk', {
  skip: NEEDS_ROOT,
}, async () => {
  await onExt4(DISK_MIB, async (disk) => {
    const body = async (store: TestStore): Promise<void> => {
      store.log.expect(/quarantine|full|room|reserve/i);
      const current = join(store.mountpoint, 'host/x/current');
      for (let round = 0; round < 4; round++) {
        // Each round takes 150 MiB, and only the quarantine can give them.
        for (let number = 0; number < 50; number++) {
          const path = join(current, `${round}-${number}`);
          assert.equal(tryWrite(path, contentOf(1000 * round + number)), undefined, `file ${number} of round ${round}`);
        }
        for (let number = 0; number < 50; number++) rmSync(join(current, `${round}-${number}`));
        store.cairn('gc');
      }
      assert.ok(existsSync(join(store.store, '.cairn/quarantine')));
      store.cairn('check', '--deep');
    };
    await withStore(body, { groups: ['host/x'], inside: disk });
  });
});
