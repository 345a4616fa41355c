import { Worker } from 'node:worker_threads';
import { isFailedSync } from '../catalog/connection.js';
import type { CheckpointFigures, Transactions } from '../catalog/transactions.js';
import { CairnError } from '../core/errors.js';
import type { Log } from '../core/log.js';

const SCRIPT = new URL('./checkpoint-worker.js', import.meta.url);
/** A commit of so few changes leaves so little to copy that the writer does it itself. */
const FEW_CHANGES = 1000;
/** Above this the writer finishes a checkpoint whatever it takes, or the log would grow for as long as the load lasts. */
const MAX_LOG_PAGES = 32_768;

/**
 * Keeps SQLite's write-ahead log short (design §3): a thread of its own copies what was committed into the database; the
 * writer, between two transactions, copies the little that is left, after which the log starts anew.
 */
export class CatalogCheckpoints {
  readonly #catalog: string;
  readonly #log: Log;
  #worker: Worker | undefined;
  #running = false;
  #logPages = 0;
  /** Whose last checkpoint failed; told when the first of them fails, and when none does any more. */
  readonly #failing = new Set<'thread' | 'writer'>();
  #ended = false;
  #failedSync: unknown;
  #tellFailedSync: (error: unknown) => void = () => undefined;

  /** @param catalog path of the database */
  constructor(catalog: string, log: Log) {
    this.#catalog = catalog;
    this.#log = log;
    this.#worker = this.#start();
  }

  /** Between a commit of so many changes and the next transaction. */
  betweenTransactions(transactions: Transactions, changes: number): void {
    if (this.#running || (changes > FEW_CHANGES && this.#logPages < MAX_LOG_PAGES)) return;
    try {
      this.#worked('writer', transactions.checkpoint('passive'));
    } catch (error) {
      // The commit before it stands; the log only grows.
      if (isFailedSync(error)) this.#failedSync = error;
      this.#failed('writer', { error });
    }
  }

  /** After a commit, when the next transaction is open. */
  committed(): void {
    if (this.#failedSync !== undefined) this.#tellFailedSync(this.#failedSync);
    this.#failedSync = undefined;
    if (this.#running || this.#ended) return;
    this.#running = true;
    this.#worker ??= this.#start();
    this.#worker.postMessage('checkpoint');
  }

  onFailedSync(listener: (error: unknown) => void): void {
    this.#tellFailedSync = listener;
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(SCRIPT, { workerData: this.#catalog });
    worker.on('message', (message: CheckpointMessage) => this.#done(message));
    worker.on('error', (error) => {
      this.#worker = undefined;
      this.#running = false;
      this.#log.error({ error }, 'Checkpoints of the catalog stopped; they begin anew with the next commit');
    });
    worker.unref();
    return worker;
  }

  #done(message: CheckpointMessage): void {
    this.#running = false;
    if (!('error' in message)) {
      this.#worked('thread', message);
      return;
    }
    this.#failed('thread', { reason: message.error });
    if (message.isFailedSync) this.#tellFailedSync(new CairnError('io', message.error));
  }

  #worked(whose: 'thread' | 'writer', { logPages }: CheckpointFigures): void {
    this.#logPages = logPages;
    if (this.#failing.delete(whose) && this.#failing.size === 0) {
      this.#log.info({}, 'Checkpoints of the catalog work again');
    }
  }

  /** A disk that is full or read-only fails them all, after each commit. */
  #failed(whose: 'thread' | 'writer', why: { readonly error: unknown } | { readonly reason: string }): void {
    if (this.#failing.size === 0) {
      this.#log.warn(why, 'A checkpoint of the catalog failed; it is tried again after each commit');
    }
    this.#failing.add(whose);
  }
}

/** What the worker answers. */
export type CheckpointMessage = CheckpointFigures | { readonly error: string; readonly isFailedSync: boolean };
