import { stat } from 'node:fs/promises';
import { fromSystemError } from '../core/errors.js';
import type { FileFacts } from '../maintenance/upload/upload-parts.js';

const BLOCK_BYTES = 512;

/** What uploads go by of the file at an absolute path; undefined where there is none. */
export async function factsOf(path: string): Promise<FileFacts | undefined> {
  try {
    const { ino, size, blocks, mtimeMs, atimeMs } = await stat(path);
    const identity = `${ino}:${size}:${mtimeMs}`;
    const usedAt = Math.max(mtimeMs, atimeMs) / 1000;
    return { identity, bytes: size, allocatedBytes: blocks * BLOCK_BYTES, usedAt };
  } catch (error) {
    const failure = fromSystemError(error, `look at ${path}`);
    if (failure.kind === 'not-found') return undefined;
    throw failure;
  }
}
