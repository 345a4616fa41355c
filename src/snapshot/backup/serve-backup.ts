import type { MessagePort } from 'node:worker_threads';
import { kindOf } from '../../core/errors.js';
import { buffersOf } from '../create/job-protocol.js';
import { BackupHere } from './backup-here.js';
import type { BackupJobOptions, FromBackupJob, ToBackupJob } from './backup-protocol.js';
import type { OpenView } from './run-backup.js';

/** The side of `BackupThread` on its thread: gathers, waits for its name, publishes, and ends. */
export async function serveBackupJob(options: BackupJobOptions, port: MessagePort, openView: OpenView): Promise<void> {
  const post = (message: FromBackupJob, given: ArrayBuffer[] = []) => port.postMessage(message, given);
  const job = new BackupHere(options, openView, (done, total) => post({ type: 'progress', done, total }));
  try {
    const publish = new Promise<ToBackupJob>((resolve) => port.once('message', resolve));
    post({ type: 'gathered', report: await job.gathered() });
    if (options.dryRun) return;
    const { time } = await publish;
    const published = await job.publish(time);
    post({ type: 'published', ...published }, buffersOf(published.snapshot));
  } catch (error) {
    post({ type: 'failed', kind: kindOf(error), message: error instanceof Error ? error.message : String(error) });
  } finally {
    await job.end();
    port.close();
  }
}
