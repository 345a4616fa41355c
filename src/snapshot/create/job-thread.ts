import { type MessagePort, Worker } from 'node:worker_threads';
import { CairnError, kindOf } from '../../core/errors.js';
import type { FromJob, PublishedSnapshot, SnapshotJobOptions, ToJob } from './job-protocol.js';
import { SnapshotJob } from './run-job.js';

/** A snapshot job on a thread of its own, as the mount worker sees it. */
export class JobThread {
  readonly #worker: Worker;
  readonly #events: { type: FromJob['type']; resolve: (message: FromJob) => void; reject: (error: Error) => void }[] =
    [];
  readonly #early: FromJob[] = [];
  #failure: CairnError | undefined;
  #onSwaps: (message: FromJob & { type: 'swaps' }) => void = () => undefined;

  /** @param script the job's program */
  constructor(script: URL, options: SnapshotJobOptions) {
    this.#worker = new Worker(script, { workerData: options });
    this.#worker.on('message', (message: FromJob) => this.#take(message));
    this.#worker.on('error', (cause) =>
      this.#fail(new CairnError('io', `Snapshot job failed: ${cause.message}`, { cause })),
    );
    this.#worker.on('exit', () => this.#fail(new CairnError('io', 'Snapshot job ended before it was done')));
  }

  /** What to do with new pieces of files; they come in any number before `published`. */
  onSwaps(take: (message: FromJob & { type: 'swaps' }) => void): void {
    this.#onSwaps = take;
  }

  /** Waits for the message of this type. @throws {CairnError} what the job failed with */
  async next<T extends FromJob['type']>(type: T): Promise<Extract<FromJob, { type: T }>> {
    const early = this.#early.findIndex((message) => message.type === type);
    if (early >= 0) return this.#early.splice(early, 1)[0] as Extract<FromJob, { type: T }>;
    if (this.#failure !== undefined) throw this.#failure;
    return new Promise<FromJob>((resolve, reject) => {
      this.#events.push({ type, resolve, reject });
    }) as Promise<Extract<FromJob, { type: T }>>;
  }

  send(message: ToJob): void {
    this.#worker.postMessage(message);
  }

  /** Ends the thread wherever it is. */
  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #take(message: FromJob): void {
    if (message.type === 'swaps') this.#onSwaps(message);
    else if (message.type === 'failed') this.#fail(new CairnError(message.kind, message.message));
    else {
      const waiting = this.#events.findIndex(({ type }) => type === message.type);
      if (waiting < 0) this.#early.push(message);
      else this.#events.splice(waiting, 1)[0]?.resolve(message);
    }
  }

  #fail(error: CairnError): void {
    this.#failure ??= error;
    for (const { reject } of this.#events.splice(0)) reject(this.#failure);
  }
}

/** The job's side: runs when told to and says how it went. */
export function serveSnapshotJob(options: SnapshotJobOptions, port: MessagePort): void {
  const post = (message: FromJob) => port.postMessage(message);
  const job = new SnapshotJob(options);
  let published: PublishedSnapshot | undefined;
  port.on('message', (message: ToJob) => {
    if (message.type === 'begin') {
      job
        .run({
          picture: () => post({ type: 'picture' }),
          swaps: (files) => {
            const changes = files.takeSwaps();
            if (changes.length > 0) post({ type: 'swaps', changes });
          },
        })
        .then((snapshot) => {
          published = snapshot;
          post({ type: 'published', snapshot });
        })
        .catch((error: unknown) => {
          job.release();
          post({
            type: 'failed',
            kind: kindOf(error),
            message: error instanceof Error ? error.message : String(error),
          });
        });
    } else if (published !== undefined) {
      job.release();
      job.close();
      port.close();
    }
  });
  post({ type: 'loaded' });
}
