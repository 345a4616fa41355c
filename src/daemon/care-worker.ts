import { parentPort, workerData } from 'node:worker_threads';
import type { CareTask } from '../maintenance/job/protocol.js';
import { serveCareJob } from '../maintenance/job/serve-care-job.js';
import { ScratchFolder } from './scratch-folder.js';

// The program of the thread of a job that verifies, checks or repairs.
if (parentPort === null) throw new Error('A job runs as a worker thread');
const scratch = new ScratchFolder();
void serveCareJob(workerData as CareTask, parentPort, scratch).finally(() => scratch.close());
