import type { MessagePort } from 'node:worker_threads';
import { kindOf } from '../../core/errors.js';
import { ThreadedJob } from '../create/threaded-job.js';
import type { CopyJobOptions, FromCopyJob, ToCopyJob } from './copy-protocol.js';
import { CopyJob } from './run-copy.js';

const PROGRESS_MS = 200;

/** A copy job on a thread of its own, as the mount worker sees it. */
export class CopyThread extends ThreadedJob<FromCopyJob, ToCopyJob> {
  /** @param script the job's program */
  constructor(script: URL, options: CopyJobOptions) {
    super(script, options, 'The copy');
  }
}

/** The job's side: gathers a snapshot, or objects, each time it is told to, publishes when it is told to, ends behind the last. */
export async function serveCopyJob(options: CopyJobOptions, port: MessagePort): Promise<void> {
  const post = (message: FromCopyJob) => port.postMessage(message);
  const messages = messagesOf(port);
  let job: CopyJob | undefined;
  let ticking: NodeJS.Timeout | undefined;
  try {
    const opened = await CopyJob.open(options, (chunks) => post({ type: 'stored', chunks }));
    job = opened;
    ticking = setInterval(() => {
      const { progress } = opened;
      if (progress !== undefined) post({ type: 'progress', ...progress });
    }, PROGRESS_MS);
    for (;;) {
      const message = await messages();
      if (message.type === 'publish') {
        post(await opened.publish());
        continue;
      }
      const next = await opened.gather(message.holds);
      post({ type: 'gathered', next: next ?? null, outcome: next === undefined ? opened.outcome : null });
      if (next === undefined) return;
    }
  } catch (error) {
    post({ type: 'failed', kind: kindOf(error), message: error instanceof Error ? error.message : String(error) });
  } finally {
    clearInterval(ticking);
    job?.close();
    port.close();
  }
}

/** Gives the port's messages one by one. */
function messagesOf(port: MessagePort): () => Promise<ToCopyJob> {
  const come: ToCopyJob[] = [];
  let waiting: ((message: ToCopyJob) => void) | undefined;
  port.on('message', (message: ToCopyJob) => {
    const take = waiting;
    waiting = undefined;
    if (take === undefined) come.push(message);
    else take(message);
  });
  return async () =>
    come.shift() ??
    new Promise((resolve) => {
      waiting = resolve;
    });
}
