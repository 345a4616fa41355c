import type { MessagePort } from 'node:worker_threads';
import { CairnError, type ErrorKind, kindOf } from '../../core/errors.js';
import { systemClock } from '../../core/time.js';
import { openDatastoreReader } from '../../datastore/open.js';
import { careContext, type Scratch } from './care-context.js';
import type { CareWrites, JobProgress } from './care-writes.js';
import { Pace } from './pace.js';
import type { CareCall, CareTask, FromCareJob, ToCareJob } from './protocol.js';
import { runCareJob } from './run-care-job.js';

/** Progress is told at most so often; the last figures of a step may be left out. */
const PROGRESS_EVERY_MS = 100;

/** The job's side of its thread: runs the one job it was started for, says how it went, and ends. */
export async function serveCareJob(task: CareTask, port: MessagePort, scratch: Scratch): Promise<void> {
  const owner = new JobOwner(port);
  const pace = new Pace(task.bytesPerSecond ?? undefined);
  owner.onBusy = (busy) => {
    pace.busy = busy;
  };
  try {
    const datastore = await openDatastoreReader(task.store);
    try {
      const progress = throttled((told) => owner.post({ type: 'progress', progress: told }));
      const { writes, signal } = owner;
      const context = careContext(datastore, { writes, pace, clock: systemClock, signal, scratch, progress });
      owner.post({ type: 'report', report: await runCareJob(context, task.job, task.options) });
    } finally {
      datastore.close();
    }
  } catch (error) {
    owner.post({
      type: 'failed',
      kind: kindOf(error),
      message: error instanceof Error ? error.message : String(error),
    });
  } finally {
    port.close();
  }
}

/** Whoever started the job, as it sees them. */
class JobOwner {
  readonly #port: MessagePort;
  readonly #cancelled = new AbortController();
  readonly #calls = new Map<number, { resolve(result: unknown): void; reject(error: CairnError): void }>();
  #nextId = 1;
  onBusy: (busy: boolean) => void = () => undefined;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (message: ToCareJob) => this.#take(message));
  }

  get signal(): AbortSignal {
    return this.#cancelled.signal;
  }

  readonly writes: CareWrites = {
    verified: (chunks, at) => {
      const copies = chunks.map((chunk) => ({ ...chunk, digest: Uint8Array.from(chunk.digest) }));
      return this.#call('verified', [copies, at]) as Promise<void>;
    },
    // A copy: a clone of a view takes the whole buffer behind it along.
    markBad: (digest, length) => this.#call('markBad', [Uint8Array.from(digest), length]) as Promise<boolean>,
    snapshotVerified: (...args) => this.#call('snapshotVerified', args) as Promise<boolean>,
    commit: () => this.#call('commit', []) as Promise<void>,
    settle: () => this.#call('settle', []) as Promise<void>,
  };

  post(message: FromCareJob): void {
    this.#port.postMessage(message);
  }

  #call(call: CareCall, args: readonly unknown[]): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.post({ type: 'call', id, call, arguments: args });
    });
  }

  #take(message: ToCareJob): void {
    if (message.type === 'busy') this.onBusy(message.busy);
    else if (message.type === 'cancel') this.#cancelled.abort();
    else {
      const waiting = this.#calls.get(message.id);
      this.#calls.delete(message.id);
      if (message.type === 'answer') waiting?.resolve(message.result);
      else waiting?.reject(new CairnError(message.kind as ErrorKind, message.message));
    }
  }
}

function throttled(tell: (progress: JobProgress) => void): (progress: JobProgress) => void {
  let last = Number.NEGATIVE_INFINITY;
  let step = '';
  return (progress) => {
    const now = performance.now();
    if (progress.step === step && now - last < PROGRESS_EVERY_MS) return;
    last = now;
    step = progress.step;
    tell(progress);
  };
}
