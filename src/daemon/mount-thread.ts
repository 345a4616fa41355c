import { MessageChannel, Worker } from 'node:worker_threads';
import { unmountFuse } from '../native/fuse-mount.js';
import { WorkerEndpoint } from './worker-endpoint.js';
import type { FromWorker, MountWorkerOptions, ToWorker } from './worker-protocol.js';

/** What serves a mount, as the main thread speaks to it. */
export interface MountThread {
  postMessage(message: ToWorker): void;
  /** Ends it, wherever it is. */
  terminate(): Promise<unknown>;
}

export interface MountThreadEvents {
  onMessage(message: FromWorker): void;
  /** It broke; its exit follows. */
  onError(error: Error): void;
  onExit(code: number): void;
}

/**
 * Starts what serves a mount: a thread of its own, or this one for fuse-native, whose callbacks come to no other.
 * @param script the program of the thread
 */
export function startMountThread(script: URL, options: MountWorkerOptions, events: MountThreadEvents): MountThread {
  if (options.transport === 'fuse-native') return new ThisThread(options, events);
  const worker = new Worker(script, { workerData: options });
  worker.on('message', (message: FromWorker) => events.onMessage(message));
  worker.on('error', (error) => events.onError(error));
  worker.once('exit', (code) => events.onExit(code));
  return worker;
}

/** The thread that made it serves the mount. What it is told and what it says are messages nevertheless. */
class ThisThread implements MountThread {
  readonly #channel = new MessageChannel();
  readonly #mountpoint: string;
  readonly #served: Promise<void>;
  #isServed = false;

  constructor(options: MountWorkerOptions, events: MountThreadEvents) {
    this.#mountpoint = options.mountpoint;
    this.#channel.port1.on('message', (message: FromWorker) => events.onMessage(message));
    this.#channel.port1.once('close', () => events.onExit(0));
    this.#served = this.#serve(options);
  }

  postMessage(message: ToWorker): void {
    this.#channel.port1.postMessage(message);
  }

  /** A mount that is still there is taken away: nothing else ends who serves it. */
  async terminate(): Promise<void> {
    if (!this.#isServed) await unmountFuse(this.#mountpoint, { lazy: true }).catch(() => undefined);
    await this.#served;
  }

  async #serve(options: MountWorkerOptions): Promise<void> {
    const endpoint = new WorkerEndpoint(this.#channel.port2);
    try {
      const { serveMount } = await import('./mount-service.js');
      await serveMount(options, endpoint);
    } catch (error) {
      endpoint.fatal(error);
    }
    this.#isServed = true;
    // What was said before still arrives.
    this.#channel.port2.close();
  }
}
