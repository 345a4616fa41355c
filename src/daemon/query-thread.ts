import { Worker } from 'node:worker_threads';
import { type ErrorMessage, errorFrom } from '../control/messages.js';
import { CairnError } from '../core/errors.js';
import type { GroupPolicy, PrunePlan } from '../snapshot/prune/plan-prune.js';
import type { SpaceReport } from '../snapshot/space/measure-space.js';

/** A question about a datastore as it was last committed, whose answer takes long. */
export type Query =
  | { readonly kind: 'space'; readonly store: string }
  | { readonly kind: 'prune'; readonly store: string; readonly policies: readonly GroupPolicy[] };

/** Query's thread to whoever started it. */
export type QueryAnswer = { readonly result: unknown } | { readonly error: ErrorMessage };

const SCRIPT = new URL('./query-worker.js', import.meta.url);

/** Who takes how much of a datastore, found out on a thread of its own. */
export function querySpace(store: string): Promise<SpaceReport> {
  return run({ kind: 'space', store }) as Promise<SpaceReport>;
}

/** What pruning would do, found out on a thread of its own. */
export function queryPrune(store: string, policies: readonly GroupPolicy[]): Promise<PrunePlan> {
  return run({ kind: 'prune', store, policies }) as Promise<PrunePlan>;
}

function run(query: Query): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(SCRIPT, { workerData: query });
    worker.once('message', (answer: QueryAnswer) => {
      if ('error' in answer) reject(errorFrom(answer.error));
      else resolve(answer.result);
    });
    worker.once('error', (cause) => reject(new CairnError('io', `A query failed: ${cause.message}`, { cause })));
    worker.once('exit', () => reject(new CairnError('io', 'A query ended without an answer')));
  });
}
