import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';

/** Why a test that mounts file systems cannot run; false where it can. */
export const NEEDS_ROOT = process.getuid?.() === 0 ? false : 'needs root';

/** A file system in memory, of so many MiB, that is there until the test ends. @returns its root */
export function memoryDisk(t: TestContext, mebibytes: number): string {
  const disk = mkdtempSync(join(tmpdir(), 'cairn-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'cairn-test', disk]);
  t.after(() => {
    execFileSync('umount', ['--lazy', disk]);
    rmSync(disk, { recursive: true });
  });
  return disk;
}

/** A file system of its own in a file, ext4, of so many MiB. */
export async function onExt4(mebibytes: number, body: (disk: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-disk-'));
  const [image, disk] = [join(folder, 'image'), join(folder, 'disk')];
  mkdirSync(disk);
  execFileSync('truncate', ['-s', `${mebibytes}M`, image]);
  execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image]);
  execFileSync('mount', ['-o', 'loop', image, disk]);
  try {
    await body(disk);
  } finally {
    execFileSync('umount', [disk]);
    rmSync(folder, { recursive: true });
  }
}

/** Repairs and mounts a disk of `onExt4` that its kernel gave up. */
export function mountAnew(disk: string): void {
  const image = join(dirname(disk), 'image');
  execFileSync('umount', [disk]);
  // It ends with 1 where it found something to repair.
  spawnSync('e2fsck', ['-f', '-y', image], { stdio: 'ignore' });
  execFileSync('mount', ['-o', 'loop', image, disk]);
}

/** Takes all the room there is on a disk, to the last block. @returns what gives it back */
export function fillDisk(disk: string): () => void {
  const path = join(disk, 'filler');
  const file = openSync(path, 'a');
  try {
    for (let step = 4 * 1024 * 1024; step >= 1; step = Math.floor(step / 4)) {
      const bytes = Buffer.alloc(step);
      while (wrote(file, bytes)) {
        // Again, as long as it fits.
      }
    }
  } finally {
    closeSync(file);
  }
  return () => rmSync(path);
}

/** Room in bytes that anybody may use. */
export function roomOf(disk: string): number {
  const { bavail, bsize } = statfsSync(disk);
  return bavail * bsize;
}

function wrote(file: number, bytes: Buffer): boolean {
  try {
    return writeSync(file, bytes) === bytes.length;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}
