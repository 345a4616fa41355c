import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';

/** The group whose live tree is worked in. */
export const GROUP = 'host/x';

/** Writes a file whole, syncs it and closes it. @throws the first error of the system */
export function writeSynced(path: string, bytes: Buffer): void {
  writeWhole(path, bytes, fsyncSync);
}

/** Writes a file whole and closes it. @throws the first error of the system */
export function writeClosed(path: string, bytes: Buffer): void {
  writeWhole(path, bytes, () => undefined);
}

function writeWhole(path: string, bytes: Buffer, sync: (file: number) => void): void {
  const file = openSync(path, 'w');
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    sync(file);
  } catch (error) {
    try {
      closeSync(file);
    } catch {
      // It says what was said already.
    }
    throw error;
  }
  closeSync(file);
}

/** SHA-256 in hex, as `readTree` has it. */
export function contentHash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Name of the errno of a failed system call, e.g. `EIO`. */
export function errnoOf(error: unknown): string | undefined {
  const { code, errno } = error as NodeJS.ErrnoException;
  // libuv has no name for it.
  return errno === -122 ? 'EDQUOT' : code;
}
