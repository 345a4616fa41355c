import { parentPort, workerData } from 'node:worker_threads';
import { errorMessage } from '../control/messages.js';
import { planPrune } from '../snapshot/prune/plan-prune.js';
import { measureSpace } from '../snapshot/space/measure-space.js';
import type { Query, QueryAnswer } from './query-thread.js';

// The program of a query's thread: answers one question and ends.
const port = parentPort;
if (port === null) throw new Error('A query runs as a worker thread');
const query = workerData as Query;
const post = (answer: QueryAnswer): void => port.postMessage(answer);
const answer = query.kind === 'space' ? measureSpace(query.store) : planPrune(query.store, query.policies);
void answer.then(
  (result) => post({ result }),
  (error: unknown) => post({ error: errorMessage(error) }),
);
