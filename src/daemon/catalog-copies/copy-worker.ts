import { parentPort, workerData } from 'node:worker_threads';
import { type CopyOutcome, type CopyPlaces, makeCatalogCopy } from './copy-files.js';

/** What the thread is started with. */
export interface CopyWorkerOptions {
  readonly places: CopyPlaces;
  readonly nowSeconds: number;
  /** Room on the disk that is to be left alone. */
  readonly spareBytes: number;
  /** One 32-bit number: 1 while there is time, 0 from when somebody waits. */
  readonly haste: SharedArrayBuffer;
}

/** What it answers, before it ends. */
export type CopyWorkerMessage = CopyOutcome | { readonly kind: 'failed'; readonly message: string };

/** With 4 MiB between two of them at most 100 MiB/s. */
const REST_MILLISECONDS = 40;

// The program of the thread that makes one copy of the catalog.
const { places, nowSeconds, spareBytes, haste } = workerData as CopyWorkerOptions;
const unhurried = new Int32Array(haste);
const rest = (): void => {
  Atomics.wait(unhurried, 0, 1, REST_MILLISECONDS);
};
const answer: Promise<CopyWorkerMessage> = makeCatalogCopy(places, { nowSeconds, spareBytes, rest }).catch(
  (error: unknown) => ({ kind: 'failed', message: error instanceof Error ? error.message : String(error) }),
);
void answer.then((message) => parentPort?.postMessage(message));
