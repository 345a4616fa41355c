import { parentPort, workerData } from 'node:worker_threads';
import type { CopyJobOptions } from '../snapshot/copy/copy-protocol.js';
import { serveCopyJob } from '../snapshot/copy/copy-thread.js';

// The program of a copy job's thread.
if (parentPort === null) throw new Error('A copy job runs as a worker thread');
void serveCopyJob(workerData as CopyJobOptions, parentPort);
