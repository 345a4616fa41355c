import { type MessagePort, Worker } from 'node:worker_threads';
import { CairnError, kindOf } from '../../core/errors.js';
import type { FromJob, SnapshotJobOptions, ToJob } from './job-protocol.js';
import { SnapshotJob } from './run-job.js';

/** What whoever started a job waits for. */
type Awaited = Exclude<FromJob['type'], 'swaps' | 'failed'>;

/** A snapshot job on a thread of its own, as the mount worker sees it. */
export class JobThread {
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  readonly #waiting: { type: Awaited; resolve: (message: FromJob) => void; reject: (error: Error) => void }[] = [];
  readonly #early: FromJob[] = [];
  #failure: CairnError | undefined;
  #onSwaps: (message: FromJob & { type: 'swaps' }) => void = () => undefined;

  /** @param script the job's program */
  constructor(script: URL, options: SnapshotJobOptions) {
    this.#worker = new Worker(script, { workerData: options });
    this.#worker.on('message', (message: FromJob) => this.#take(message));
    this.#worker.on('error', (cause) =>
      this.#fail(new CairnError(kindOf(cause), `The snapshot job failed: ${cause.message}`, { cause })),
    );
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#fail(new CairnError('io', 'The snapshot job ended before it was done'));
        resolve();
      });
    });
  }

  /** What to do with new pieces of files; they come in any number before `published`. */
  onSwaps(take: (message: FromJob & { type: 'swaps' }) => void): void {
    this.#onSwaps = take;
  }

  /** Waits for the message of this type. @throws {CairnError} what the job failed with */
  async next<T extends Awaited>(type: T): Promise<Extract<FromJob, { type: T }>> {
    const early = this.#early.findIndex((message) => message.type === type);
    if (early >= 0) return this.#early.splice(early, 1)[0] as Extract<FromJob, { type: T }>;
    if (this.#failure !== undefined) throw this.#failure;
    return new Promise<FromJob>((resolve, reject) => {
      this.#waiting.push({ type, resolve, reject });
    }) as Promise<Extract<FromJob, { type: T }>>;
  }

  send(message: ToJob): void {
    this.#worker.postMessage(message);
  }

  /** Ends the thread wherever it is, with what it had said until then taken in. */
  async end(): Promise<void> {
    await this.#worker.terminate();
    await this.#ended;
  }

  #take(message: FromJob): void {
    if (message.type === 'swaps') this.#onSwaps(message);
    else if (message.type === 'failed') this.#fail(new CairnError(message.kind, message.message));
    else {
      const waiting = this.#waiting.findIndex(({ type }) => type === message.type);
      if (waiting < 0) this.#early.push(message);
      else this.#waiting.splice(waiting, 1)[0]?.resolve(message);
    }
  }

  #fail(error: CairnError): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}

/** The job's side: runs when told to, says how it went, and ends. */
export async function serveSnapshotJob(options: SnapshotJobOptions, port: MessagePort): Promise<void> {
  const post = (message: FromJob) => port.postMessage(message);
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
      post({ type: 'published', snapshot: await job.run() });
    } catch (error) {
      fail(error);
    } finally {
      job.close();
      port.close();
    }
  });
  post({ type: 'loaded' });
}
