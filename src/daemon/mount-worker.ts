import { parentPort, workerData } from 'node:worker_threads';
import { serveMount } from './mount-service.js';
import { WorkerEndpoint } from './worker-endpoint.js';
import type { MountWorkerOptions } from './worker-protocol.js';

// The program of the mount worker's thread.
if (parentPort === null) throw new Error('The mount worker runs as a worker thread');
const endpoint = new WorkerEndpoint(parentPort);
serveMount(workerData as MountWorkerOptions, endpoint).catch((error: unknown) => endpoint.fatal(error));
