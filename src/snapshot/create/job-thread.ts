import type { MessagePort } from 'node:worker_threads';
import { kindOf } from '../../core/errors.js';
import { buffersOf, type FromJob, type SnapshotJobOptions, type ToJob } from './job-protocol.js';
import { SnapshotJob } from './run-job.js';
import { ThreadedJob } from './threaded-job.js';

/** A snapshot job on a thread of its own, as the mount worker sees it. */
export class JobThread extends ThreadedJob<FromJob, ToJob> {
  /** @param script the job's program */
  constructor(script: URL, options: SnapshotJobOptions) {
    super(script, options, 'The snapshot job');
  }
}

/** The job's side: runs when told to, says how it went, and ends. */
export async function serveSnapshotJob(options: SnapshotJobOptions, port: MessagePort): Promise<void> {
  const post = (message: FromJob, given: ArrayBuffer[] = []) => port.postMessage(message, given);
  const fail = (error: unknown) =>
    post({ type: 'failed', kind: kindOf(error), message: error instanceof Error ? error.message : String(error) });
  let job: SnapshotJob;
  try {
    job = await SnapshotJob.open(options, {
      picture: () => post({ type: 'picture' }),
      swaps: (files) => {
        const changes = files.takeSwaps();
        if (changes.length > 0) post({ type: 'swaps', changes });
      },
    });
  } catch (error) {
    fail(error);
    return;
  }
  port.once('message', async (_begin: ToJob) => {
    try {
      const snapshot = await job.run();
      post({ type: 'published', snapshot }, buffersOf(snapshot));
    } catch (error) {
      fail(error);
    } finally {
      job.close();
      port.close();
    }
  });
  post({ type: 'loaded' });
}
