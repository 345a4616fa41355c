import { CairnError, type ErrorKind, kindOf } from '../../core/errors.js';

/** How far a job is; `total` is absent where it is not known beforehand. */
export interface JobProgress {
  readonly step: string;
  readonly done: number;
  readonly total?: number | undefined;
  readonly unit: 'bytes' | 'items';
}

/** An error on its way between threads. */
export interface SentError {
  readonly kind: ErrorKind;
  readonly message: string;
}

/** Job to owner. What an ask means, its owner and the job agree on; each is answered once. */
export type FromJob =
  | { readonly type: 'ask'; readonly id: number; readonly name: string; readonly payload: unknown }
  | { readonly type: 'progress'; readonly progress: JobProgress }
  | { readonly type: 'done'; readonly result: unknown }
  | { readonly type: 'failed'; readonly error: SentError };

/** Owner to job. */
export type ToJob =
  | { readonly type: 'answer'; readonly id: number; readonly result: unknown }
  | { readonly type: 'refusal'; readonly id: number; readonly error: SentError }
  /** Nobody wants the job's result any more: it is to end at the next place where nothing is half done. */
  | { readonly type: 'cancel' };

export function sentError(error: unknown): SentError {
  return { kind: kindOf(error), message: error instanceof Error ? error.message : String(error) };
}

export function receivedError({ kind, message }: SentError): CairnError {
  return new CairnError(kind, message);
}
