import { CairnError } from '../../core/errors.js';
import type { BackupJobOptions, BackupReport } from './backup-protocol.js';
import { BackupJob, type OpenView } from './run-backup.js';
import type { OnBackupProgress, PublishedBackup, RunningBackup } from './running-backup.js';

const PROGRESS_MS = 200;
/** What is done sooner than this needs no estimate. */
const COUNT_AFTER_MS = 2000;

/** A backup job on the thread it is asked for. */
export class BackupHere implements RunningBackup {
  readonly #options: BackupJobOptions;
  readonly #openView: OpenView;
  readonly #onProgress: OnBackupProgress;
  readonly #stopped = new AbortController();
  /** What is under way, until it has settled. */
  readonly #working = new Set<Promise<unknown>>();
  #job: BackupJob | undefined;

  constructor(options: BackupJobOptions, openView: OpenView, onProgress: OnBackupProgress) {
    this.#options = options;
    this.#openView = openView;
    this.#onProgress = onProgress;
  }

  gathered(): Promise<BackupReport> {
    return this.#during(this.#gather());
  }

  publish(time: number): Promise<PublishedBackup> {
    return this.#during(this.#publish(time));
  }

  async end(): Promise<void> {
    this.#stopped.abort(new CairnError('interrupted', 'The backup was given up'));
    while (this.#working.size > 0) await Promise.allSettled(this.#working);
    this.#job?.close();
    this.#job = undefined;
  }

  #during<T>(work: Promise<T>): Promise<T> {
    this.#working.add(work);
    const done = (): boolean => this.#working.delete(work);
    work.then(done, done);
    return work;
  }

  async #gather(): Promise<BackupReport> {
    const { signal } = this.#stopped;
    const job = await BackupJob.open(this.#options, this.#openView, signal);
    this.#job = job;
    const ticking = setInterval(() => this.#onProgress(job.progress.done, job.progress.total), PROGRESS_MS);
    // Where it fails nobody knows how long it will take.
    const counting = setTimeout(() => void this.#during(job.count()).catch(() => undefined), COUNT_AFTER_MS);
    try {
      const report = await job.gather();
      signal.throwIfAborted();
      return report;
    } finally {
      clearTimeout(counting);
      clearInterval(ticking);
    }
  }

  async #publish(time: number): Promise<PublishedBackup> {
    if (this.#job === undefined) throw new CairnError('invalid', 'Nothing was gathered to be published');
    const published = await this.#job.publish(time);
    // Given up meanwhile: whoever asked takes the folder away again.
    this.#stopped.signal.throwIfAborted();
    return published;
  }
}
