import type { MessagePort } from 'node:worker_threads';
import { errorMessage, type Progress } from '../control/messages.js';
import { CairnError } from '../core/errors.js';
import type {
  FromWorker,
  LogEntry,
  ToWorker,
  WorkerArguments,
  WorkerCommandName,
  WorkerResult,
} from './worker-protocol.js';

/** The main thread's side of a request under way. */
export interface WorkerContext {
  progress(progress: Progress): void;
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal;
}

/** What the worker does for each command. */
export type WorkerHandlers = {
  readonly [C in WorkerCommandName]: (
    args: WorkerArguments<C>,
    context: WorkerContext,
  ) => Promise<WorkerResult<C>> | WorkerResult<C>;
};

/** The mount worker's end of the port: answers the main thread and tells it what happens. */
export class WorkerEndpoint {
  readonly #port: MessagePort;
  readonly #running = new Map<number, AbortController>();

  /** @param port the worker's `parentPort` */
  constructor(port: MessagePort) {
    this.#port = port;
  }

  /** Says that the mount can be used, and answers requests from now on. */
  ready(handlers: WorkerHandlers): void {
    this.#port.on('message', (message: ToWorker) => {
      if (message.type === 'cancel')
        this.#running.get(message.id)?.abort(new CairnError('interrupted', 'Nobody waits for it any more'));
      else void this.#answer(message.id, message.command, message.arguments, handlers);
    });
    this.#post({ type: 'ready' });
  }

  /** Says why the worker cannot start or go on; the main thread then ends it. */
  fatal(error: unknown): void {
    this.#post({ type: 'fatal', error: errorMessage(error) });
  }

  /** Says that the mount is gone and the stores are closed; the main thread then ends the worker. */
  ended(): void {
    this.#post({ type: 'ended' });
  }

  /** Says that a group has a new snapshot. */
  snapshotMade(group: string): void {
    this.#post({ type: 'snapshot-made', group });
  }

  log(level: LogEntry['level'], message: string, fields?: Readonly<Record<string, unknown>>): void {
    this.#post({ type: 'log', entry: fields === undefined ? { level, message } : { level, message, fields } });
  }

  async #answer<C extends WorkerCommandName>(
    id: number,
    command: C,
    args: unknown,
    handlers: WorkerHandlers,
  ): Promise<void> {
    const cancelled = new AbortController();
    this.#running.set(id, cancelled);
    try {
      const progress = (progress: Progress): void => this.#post({ type: 'progress', id, progress });
      const context = { progress, signal: cancelled.signal };
      this.#post({ type: 'result', id, result: await handlers[command](args as WorkerArguments<C>, context) });
    } catch (error) {
      this.#post({ type: 'error', id, error: errorMessage(error) });
    } finally {
      this.#running.delete(id);
    }
  }

  #post(message: FromWorker): void {
    this.#port.postMessage(message);
  }
}
