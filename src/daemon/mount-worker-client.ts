import { errorFrom, type Progress } from '../control/messages.js';
import { CairnError } from '../core/errors.js';
import { type MountThread, startMountThread } from './mount-thread.js';
import type {
  FromWorker,
  LogEntry,
  MountWorkerOptions,
  ToWorker,
  WorkerArguments,
  WorkerCommandName,
  WorkerResult,
} from './worker-protocol.js';

/** How a mount worker's life ended: with the mount gone and all safe, or not. */
export type WorkerEnd = { readonly kind: 'unmounted' } | { readonly kind: 'failed'; readonly error: CairnError };

/** What a caller may want of a request under way. */
export interface WorkerCallOptions {
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

interface Pending {
  readonly command: WorkerCommandName;
  resolve(result: unknown): void;
  reject(error: CairnError): void;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

/** The thread that owns the mount, as the main thread sees it. */
export class MountWorker {
  /** Resolves once the mount can be used; rejects with why it cannot, after the thread has ended. */
  readonly ready: Promise<void>;
  /** Resolves when the thread has ended. Never rejects. */
  readonly ended: Promise<WorkerEnd>;
  readonly #worker: MountThread;
  readonly #pending = new Map<number, Pending>();
  readonly #onLog: (entry: LogEntry) => void;
  /** Told of the group's path when a snapshot was made, by whatever way. */
  onSnapshotMade: (group: string) => void = () => undefined;
  #nextId = 1;
  #outcome: WorkerEnd | undefined;
  #becomeReady: () => void = () => undefined;

  /** @param script the worker's program, normally `mount-worker.js` */
  constructor(script: URL, options: MountWorkerOptions, onLog: (entry: LogEntry) => void) {
    this.#onLog = onLog;
    let exited: (end: WorkerEnd) => void = () => undefined;
    this.ended = new Promise((resolve) => {
      exited = resolve;
    });
    this.#worker = startMountThread(script, options, {
      onMessage: (message) => this.#take(message),
      onError: (cause) => {
        this.#outcome ??= {
          kind: 'failed',
          error: new CairnError('io', `The mount failed: ${cause.message}`, { cause }),
        };
      },
      onExit: (code) => exited(this.#exited(code)),
    });
    this.ready = new Promise((resolve, reject) => {
      this.#becomeReady = resolve;
      void this.ended.then((end) => reject(end.kind === 'failed' ? end.error : goneError()));
    });
    this.ready.catch(() => undefined);
  }

  /**
   * Asks the worker for one command.
   * @throws {CairnError} the worker's own error; where its thread ends before it answered: what it failed with,
   *   or `unreachable`
   */
  request<C extends WorkerCommandName>(
    command: C,
    args: WorkerArguments<C>,
    options: WorkerCallOptions = {},
  ): Promise<WorkerResult<C>> {
    if (this.#outcome !== undefined) return Promise.reject(goneError());
    const id = this.#nextId++;
    const cancel = (): void => this.#post({ type: 'cancel', id });
    options.signal?.addEventListener('abort', cancel, { once: true });
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#pending.set(id, { command, resolve, reject, onProgress: options.onProgress });
      this.#post({ type: 'request', id, command, arguments: args });
    }) as Promise<WorkerResult<C>>;
    // The signal may be there as long as the mount is.
    return answer.finally(() => options.signal?.removeEventListener('abort', cancel));
  }

  /** Stops the thread where it is. What it had answered is in the journal. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #take(message: FromWorker): void {
    if (message.type === 'ready') this.#becomeReady();
    else if (message.type === 'fatal') this.#end({ kind: 'failed', error: errorFrom(message.error) });
    else if (message.type === 'ended') this.#end({ kind: 'unmounted' });
    else if (message.type === 'log') this.#onLog(message.entry);
    else if (message.type === 'snapshot-made') this.onSnapshotMade(message.group);
    else this.#settle(message);
  }

  #settle(message: Extract<FromWorker, { id: number }>): void {
    const pending = this.#pending.get(message.id);
    if (message.type === 'progress') {
      pending?.onProgress?.(message.progress);
      return;
    }
    this.#pending.delete(message.id);
    if (message.type === 'result') pending?.resolve(message.result);
    else pending?.reject(errorFrom(message.error));
  }

  #end(outcome: WorkerEnd): void {
    this.#outcome ??= outcome;
    void this.terminate();
  }

  #exited(code: number): WorkerEnd {
    const error = new CairnError('io', `The mount's thread ended unexpectedly (exit code ${code})`);
    this.#outcome ??= { kind: 'failed', error };
    for (const pending of this.#pending.values()) settleAtEnd(pending, this.#outcome);
    this.#pending.clear();
    return this.#outcome;
  }
}

/** Whoever asked to unmount has what was asked for, also where somebody else was faster. */
function settleAtEnd({ command, resolve, reject }: Pending, outcome: WorkerEnd): void {
  if (outcome.kind === 'failed') reject(outcome.error);
  else if (command === 'unmount') resolve({});
  else reject(goneError());
}

function goneError(): CairnError {
  return new CairnError('unreachable', 'The mount has ended');
}
