import { Worker } from 'node:worker_threads';
import { CairnError, kindOf } from '../../core/errors.js';
import { type FromJob, type JobProgress, receivedError, sentError, type ToJob } from './job-messages.js';
import type { Asks } from './job-port.js';

/** What an owner does for each of its job's asks. */
export type AskHandlers<A extends Asks> = {
  readonly [N in keyof A]: (payload: A[N]['payload']) => Promise<A[N]['result']> | A[N]['result'];
};

/** A job to run. */
export interface OwnedJob<A extends Asks> {
  /** Its program. */
  readonly script: URL;
  readonly options: unknown;
  readonly handlers: AskHandlers<A>;
  /** Aborted when nobody wants the result any more: the job ends where it can without harm. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: JobProgress) => void;
}

/**
 * Runs a job on a thread of its own and does for it what only its owner may. Resolves with the job's result when the
 * thread has ended and all it asked for is done.
 * @throws {CairnError} what the job failed with; `interrupted` where it was given up
 */
export async function runOwnedJob<A extends Asks>(job: OwnedJob<A>): Promise<unknown> {
  const worker = new Worker(job.script, { workerData: job.options });
  const post = (message: ToJob): void => worker.postMessage(message);
  const cancel = (): void => post({ type: 'cancel' });
  const asked = new Set<Promise<void>>();
  let outcome: { result: unknown } | { error: CairnError } | undefined;
  worker.on('message', (message: FromJob) => {
    if (message.type === 'progress') job.onProgress(message.progress);
    else if (message.type === 'done') outcome ??= { result: message.result };
    else if (message.type === 'failed') outcome ??= { error: receivedError(message.error) };
    else {
      const answer = answered(job.handlers, message, post).finally(() => asked.delete(answer));
      asked.add(answer);
    }
  });
  worker.on('error', (cause) => {
    outcome ??= { error: new CairnError(kindOf(cause), `A job failed: ${cause.message}`, { cause }) };
  });
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  job.signal.addEventListener('abort', cancel, { once: true });
  if (job.signal.aborted) cancel();
  try {
    await ended;
    await Promise.all(asked);
  } finally {
    job.signal.removeEventListener('abort', cancel);
  }
  if (outcome === undefined) throw new CairnError('io', 'A job ended before it was done');
  if ('error' in outcome) throw outcome.error;
  return outcome.result;
}

async function answered<A extends Asks>(
  handlers: AskHandlers<A>,
  { id, name, payload }: FromJob & { type: 'ask' },
  post: (message: ToJob) => void,
): Promise<void> {
  try {
    const handler = handlers[name];
    if (handler === undefined) throw new CairnError('unsupported', `A job asked for ${name}, which nobody knows`);
    post({ type: 'answer', id, result: await handler(payload) });
  } catch (error) {
    post({ type: 'refusal', id, error: sentError(error) });
  }
}
