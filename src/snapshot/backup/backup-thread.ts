import type { MessagePort } from 'node:worker_threads';
import { kindOf } from '../../core/errors.js';
import { buffersOf } from '../create/job-protocol.js';
import { ThreadedJob } from '../create/threaded-job.js';
import type { BackupJobOptions, FromBackupJob, ToBackupJob } from './backup-protocol.js';
import { BackupJob, type OpenView } from './run-backup.js';

const PROGRESS_MS = 200;
/** What is done sooner than this needs no estimate. */
const COUNT_AFTER_MS = 2000;

/** A backup job on a thread of its own, as the mount worker sees it. */
export class BackupThread extends ThreadedJob<FromBackupJob, ToBackupJob> {
  /** @param script the job's program */
  constructor(script: URL, options: BackupJobOptions) {
    super(script, options, 'The backup');
  }
}

/** The job's side: gathers, waits for its name, publishes, and ends. */
export async function serveBackupJob(options: BackupJobOptions, port: MessagePort, openView: OpenView): Promise<void> {
  const post = (message: FromBackupJob, given: ArrayBuffer[] = []) => port.postMessage(message, given);
  const stopped = new AbortController();
  let job: BackupJob | undefined;
  let ticking: NodeJS.Timeout | undefined;
  let counting: NodeJS.Timeout | undefined;
  try {
    const publish = new Promise<ToBackupJob>((resolve) => port.once('message', resolve));
    const opened = await BackupJob.open(options, openView, stopped.signal);
    job = opened;
    ticking = setInterval(() => post({ type: 'progress', ...opened.progress }), PROGRESS_MS);
    // Where it fails nobody knows how long it will take.
    counting = setTimeout(() => void opened.count().catch(() => undefined), COUNT_AFTER_MS);
    post({ type: 'gathered', report: await opened.gather() });
    clearTimeout(counting);
    clearInterval(ticking);
    if (options.dryRun) return;
    const { time } = await publish;
    const published = await opened.publish(time);
    post({ type: 'published', ...published }, buffersOf(published.snapshot));
  } catch (error) {
    stopped.abort();
    post({ type: 'failed', kind: kindOf(error), message: error instanceof Error ? error.message : String(error) });
  } finally {
    clearTimeout(counting);
    clearInterval(ticking);
    job?.close();
    port.close();
  }
}
