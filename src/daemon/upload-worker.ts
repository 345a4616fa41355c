import { stat } from 'node:fs/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { fromSystemError } from '../core/errors.js';
import { serveUploadJob } from '../maintenance/upload/upload-job.js';
import type { FileFacts } from '../maintenance/upload/upload-parts.js';
import type { UploadJobOptions } from '../maintenance/upload/upload-protocol.js';

const BLOCK_BYTES = 512;

// The program of an upload's thread.
if (parentPort === null) throw new Error('An upload runs as a worker thread');
await serveUploadJob(workerData as UploadJobOptions, parentPort, factsOf);

async function factsOf(path: string): Promise<FileFacts | undefined> {
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
