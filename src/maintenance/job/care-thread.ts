import { Worker } from 'node:worker_threads';
import { CairnError, type ErrorKind, kindOf } from '../../core/errors.js';
import type { CareWrites, JobProgress } from './care-writes.js';
import type { CareTask, FromCareJob, ToCareJob } from './protocol.js';

/** A job on a thread of its own, as whoever started it sees it: does the job's writes, hears how far it is. */
export class CareThread {
  /** What came of it; rejects with what it failed with. Settles after the thread has ended. */
  readonly report: Promise<unknown>;
  readonly #worker: Worker;
  readonly #writes: CareWrites;
  readonly #onProgress: (progress: JobProgress) => void;
  #outcome: { readonly report: unknown } | { readonly failure: CairnError } | undefined;

  /** @param script the job's program */
  constructor(script: URL, task: CareTask, writes: CareWrites, onProgress: (progress: JobProgress) => void) {
    this.#writes = writes;
    this.#onProgress = onProgress;
    this.#worker = new Worker(script, { workerData: task });
    this.#worker.on('message', (message: FromCareJob) => this.#take(message));
    this.#worker.on('error', (cause) => {
      const failure = new CairnError(kindOf(cause), `The ${task.job} job failed: ${cause.message}`, { cause });
      this.#outcome ??= { failure };
    });
    this.report = new Promise((resolve, reject) => {
      this.#worker.once('exit', () => {
        const outcome = this.#outcome ?? { failure: new CairnError('interrupted', `The ${task.job} job was ended`) };
        if ('report' in outcome) resolve(outcome.report);
        else reject(outcome.failure);
      });
    });
    this.report.catch(() => undefined);
  }

  /** Whether others want to read and write: the job then goes slowly. */
  set busy(busy: boolean) {
    this.#post({ type: 'busy', busy });
  }

  /** Asks the job to end at its next step. */
  cancel(): void {
    this.#post({ type: 'cancel' });
  }

  #take(message: FromCareJob): void {
    if (message.type === 'progress') this.#onProgress(message.progress);
    else if (message.type === 'call') void this.#answer(message);
    else if (message.type === 'report') this.#outcome ??= { report: message.report };
    else this.#outcome ??= { failure: new CairnError(message.kind as ErrorKind, message.message) };
  }

  async #answer({ id, call, arguments: args }: FromCareJob & { type: 'call' }): Promise<void> {
    try {
      const write = this.#writes[call] as (...args: readonly unknown[]) => Promise<unknown>;
      this.#post({ type: 'answer', id, result: await write.apply(this.#writes, args as unknown[]) });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#post({ type: 'refused', id, kind: kindOf(error), message });
    }
  }

  #post(message: ToCareJob): void {
    this.#worker.postMessage(message);
  }
}
