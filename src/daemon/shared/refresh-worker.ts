import { parentPort, workerData } from 'node:worker_threads';
import { makePlaceholder } from '../../backend/cache/placeholder.js';
import { serveRefreshJob } from '../../maintenance/refresh/refresh-job.js';
import type { RefreshJobOptions } from '../../maintenance/refresh/refresh-protocol.js';
import { factsOf } from '../file-facts.js';

// The program of the thread that brings in what other machines published.
if (parentPort === null) throw new Error('A refresh runs as a worker thread');
void serveRefreshJob(workerData as RefreshJobOptions, parentPort, { factsOf, standIn: makePlaceholder });
