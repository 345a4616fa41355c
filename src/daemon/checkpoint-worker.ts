import { parentPort, workerData } from 'node:worker_threads';
import { isFailedSync } from '../catalog/connection.js';
import { openCheckpointer } from '../catalog/open-reader.js';
import type { CheckpointMessage } from './catalog-checkpoints.js';

// The program of the thread that copies the catalog's write-ahead log into the database.
const port = parentPort;
if (port === null) throw new Error('Checkpoints run in a worker thread');
const checkpointer = openCheckpointer(workerData as string);
port.on('message', () => {
  let answer: CheckpointMessage;
  try {
    answer = checkpointer.checkpoint();
  } catch (error) {
    answer = { error: error instanceof Error ? error.message : String(error), isFailedSync: isFailedSync(error) };
  }
  port.postMessage(answer);
});
