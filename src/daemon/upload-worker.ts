import { parentPort, workerData } from 'node:worker_threads';
import { serveUploadJob } from '../maintenance/upload/upload-job.js';
import type { UploadJobOptions } from '../maintenance/upload/upload-protocol.js';
import { factsOf } from './file-facts.js';

// The program of an upload's thread.
if (parentPort === null) throw new Error('An upload runs as a worker thread');
void serveUploadJob(workerData as UploadJobOptions, parentPort, factsOf);
