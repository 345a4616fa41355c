import { parentPort, workerData } from 'node:worker_threads';
import type { SnapshotJobOptions } from '../snapshot/create/job-protocol.js';
import { serveSnapshotJob } from '../snapshot/create/job-thread.js';

// The program of a snapshot job's thread.
if (parentPort === null) throw new Error('A snapshot job runs as a worker thread');
void serveSnapshotJob(workerData as SnapshotJobOptions, parentPort);
