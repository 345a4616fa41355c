import { stat } from 'node:fs/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { fromSystemError } from '../core/errors.js';
import type { LookedAt } from '../maintenance/gc/chunk-files.js';
import { serveGcJob } from '../maintenance/gc/gc-job.js';
import type { GcJobOptions } from '../maintenance/gc/gc-protocol.js';

// The program of a collection's thread.
if (parentPort === null) throw new Error('A collection runs as a worker thread');
void serveGcJob(workerData as GcJobOptions, parentPort, lookAt);

async function lookAt(path: string): Promise<LookedAt | undefined> {
  try {
    const { size, mtimeMs } = await stat(path);
    return { bytes: size, modifiedSeconds: mtimeMs / 1000 };
  } catch (error) {
    const failure = fromSystemError(error, `look at ${path}`);
    if (failure.kind === 'not-found') return undefined;
    throw failure;
  }
}
