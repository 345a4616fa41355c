import { ThreadedJob } from '../create/threaded-job.js';
import type { BackupJobOptions, BackupReport, FromBackupJob, ToBackupJob } from './backup-protocol.js';
import type { OnBackupProgress, PublishedBackup, RunningBackup } from './running-backup.js';

/** A backup job on a thread of its own, as the mount worker sees it. */
export class BackupThread implements RunningBackup {
  readonly #job: ThreadedJob<FromBackupJob, ToBackupJob>;

  /** @param script the job's program */
  constructor(script: URL, options: BackupJobOptions, onProgress: OnBackupProgress) {
    this.#job = new ThreadedJob(script, options, 'The backup');
    this.#job.on('progress', ({ done, total }) => onProgress(done, total));
  }

  async gathered(): Promise<BackupReport> {
    return (await this.#job.next('gathered')).report;
  }

  publish(time: number): Promise<PublishedBackup> {
    this.#job.send({ type: 'publish', time });
    return this.#job.next('published');
  }

  end(): Promise<void> {
    return this.#job.end();
  }
}
