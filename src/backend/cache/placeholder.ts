import { open, rename, rm, stat } from 'node:fs/promises';
import { fromSystemError } from '../../core/errors.js';
import { temporaryName } from '../names.js';

/** Tells placeholders from files of zeros: objects are written with 0644. */
const MODE = 0o444;
/** Objects that begin like a placeholder are never evicted. */
export const PLACEHOLDER_START_BYTES = 8;

/** Whether bytes read from a file may be a placeholder's; `isPlaceholder` then knows. */
export function looksEvicted(bytes: Buffer): boolean {
  return bytes.length > 0 && bytes.subarray(0, PLACEHOLDER_START_BYTES).every((byte) => byte === 0);
}

/** Whether the file at `path` stands for an object whose bytes are elsewhere. */
export async function isPlaceholder(path: string): Promise<boolean> {
  return (await standing(path)) === 'placeholder';
}

/** Whether the file at `path` has an object's bytes. */
export async function hasBytes(path: string): Promise<boolean> {
  return (await standing(path)) === 'bytes';
}

async function standing(path: string): Promise<'nothing' | 'placeholder' | 'bytes'> {
  try {
    return ((await stat(path)).mode & 0o777) === MODE ? 'placeholder' : 'bytes';
  } catch (error) {
    const failure = fromSystemError(error, `look at ${path}`);
    if (failure.kind === 'not-found') return 'nothing';
    throw failure;
  }
}

/**
 * Puts a placeholder in a file's place, at once: a hole of the same length, so that lengths and times are told as before.
 * Who reads the file meanwhile reads its bytes to the end. Not synced: after a power cut either of them is there.
 */
export async function replaceByPlaceholder(path: string, length: number): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await makeHole(temporary, length);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw fromSystemError(error, `evict ${path}`);
  }
}

/**
 * Makes a placeholder for an object that is elsewhere. Not durable when it resolves; killed in the middle, it may leave a
 * file that is shorter.
 * @returns false where a file of this name is there, which stays as it is
 */
export async function makePlaceholder(path: string, length: number): Promise<boolean> {
  try {
    await makeHole(path, length);
    return true;
  } catch (error) {
    const failure = fromSystemError(error, `make the placeholder ${path}`);
    if (failure.kind === 'exists') return false;
    throw failure;
  }
}

async function makeHole(path: string, length: number): Promise<void> {
  const file = await open(path, 'wx', MODE);
  try {
    await file.chmod(MODE);
    await file.truncate(length);
  } finally {
    await file.close();
  }
}
