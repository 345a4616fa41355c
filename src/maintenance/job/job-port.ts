import type { MessagePort } from 'node:worker_threads';
import { CairnError } from '../../core/errors.js';
import { type FromJob, type JobProgress, receivedError, sentError, type ToJob } from './job-messages.js';

/** What a job may ask its owner for: each name with what it takes and what it gives. */
export type Asks = Record<string, { readonly payload: unknown; readonly result: unknown }>;

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** A job's end of the line to its owner, who alone may write to the catalog. */
export class JobPort<A extends Asks> {
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #cancelled = false;

  /** @param port the worker's `parentPort` */
  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (message: ToJob) => this.#take(message));
  }

  /** Asks the owner for something. @throws {CairnError} what the owner refused it with */
  ask<N extends keyof A & string>(name: N, payload: A[N]['payload']): Promise<A[N]['result']> {
    const id = this.#nextId++;
    return new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#post({ type: 'ask', id, name, payload });
    }) as Promise<A[N]['result']>;
  }

  progress(progress: JobProgress): void {
    this.#post({ type: 'progress', progress });
  }

  /** To be called wherever the job may end without harm. @throws {CairnError} `interrupted` where it is to end */
  goOn(): void {
    if (this.#cancelled) throw new CairnError('interrupted', 'Given up');
  }

  /** Runs the job, tells its owner how it went, and lets the thread end. */
  async serve(job: () => Promise<unknown>): Promise<void> {
    try {
      this.#post({ type: 'done', result: await job() });
    } catch (error) {
      this.#post({ type: 'failed', error: sentError(error) });
    } finally {
      this.#port.close();
    }
  }

  #take(message: ToJob): void {
    if (message.type === 'cancel') {
      this.#cancelled = true;
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.type === 'answer') waiting?.resolve(message.result);
    else waiting?.reject(receivedError(message.error));
  }

  #post(message: FromJob): void {
    this.#port.postMessage(message);
  }
}
