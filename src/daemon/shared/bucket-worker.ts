import { parentPort, workerData } from 'node:worker_threads';
import { serveBucketJob } from '../../maintenance/bucket/bucket-job.js';
import type { BucketJobOptions } from '../../maintenance/bucket/bucket-protocol.js';

// The program of the thread that collects an object store several machines share.
if (parentPort === null) throw new Error('A collection runs as a worker thread');
void serveBucketJob(workerData as BucketJobOptions, parentPort);
