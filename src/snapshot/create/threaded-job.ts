import { Worker } from 'node:worker_threads';
import { CairnError, type ErrorKind, kindOf } from '../../core/errors.js';

/** What a job makes for each entry lives until it is encoded: with less room it is copied about before that. */
const YOUNG_MIB = 64;

/** What any job may say. */
export interface JobMessage {
  readonly type: string;
}

interface FailedMessage extends JobMessage {
  readonly type: 'failed';
  readonly kind: ErrorKind;
  readonly message: string;
}

/**
 * A job on a thread of its own, as whoever started it sees it. Messages of a type somebody listens to go there, all others
 * wait until they are asked for; `failed` ends every waiting.
 */
export class ThreadedJob<From extends JobMessage, To> {
  readonly #what: string;
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  readonly #listeners = new Map<string, (message: never) => void>();
  readonly #waiting: { type: string; resolve: (message: From) => void; reject: (error: Error) => void }[] = [];
  readonly #early: From[] = [];
  #failure: CairnError | undefined;

  /** @param script the job's program @param options its `workerData` @param what it is called in errors */
  constructor(script: URL, options: unknown, what: string) {
    this.#what = what;
    this.#worker = new Worker(script, { workerData: options, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB } });
    this.#worker.on('message', (message: From) => this.#take(message));
    this.#worker.on('error', (cause) =>
      this.#fail(new CairnError(kindOf(cause), `${this.#what} failed: ${cause.message}`, { cause })),
    );
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#fail(new CairnError('io', `${this.#what} ended before it was done`));
        resolve();
      });
    });
  }

  /** What to do with messages of a type, however many come; before the first one may. */
  on<T extends From['type']>(type: T, take: (message: Extract<From, { type: T }>) => void): void {
    this.#listeners.set(type, take as (message: never) => void);
  }

  /** Waits for the message of this type. @throws {CairnError} what the job failed with */
  async next<T extends From['type']>(type: T): Promise<Extract<From, { type: T }>> {
    const early = this.#early.findIndex((message) => message.type === type);
    if (early >= 0) return this.#early.splice(early, 1)[0] as Extract<From, { type: T }>;
    if (this.#failure !== undefined) throw this.#failure;
    return new Promise<From>((resolve, reject) => {
      this.#waiting.push({ type, resolve, reject });
    }) as Promise<Extract<From, { type: T }>>;
  }

  send(message: To): void {
    this.#worker.postMessage(message);
  }

  /** Ends the thread wherever it is, with what it had said until then taken in. */
  async end(): Promise<void> {
    await this.#worker.terminate();
    await this.#ended;
  }

  #take(message: From): void {
    const listener = this.#listeners.get(message.type);
    if (listener !== undefined) listener(message as never);
    else if (message.type === 'failed') {
      const failed = message as unknown as FailedMessage;
      this.#fail(new CairnError(failed.kind, failed.message));
    } else {
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
