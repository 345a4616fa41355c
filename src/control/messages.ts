import * as z from 'zod';
import { CairnError, ERROR_KINDS, kindOf } from '../core/errors.js';

/** Rises with every change that an older client or daemon would misread. */
export const PROTOCOL_VERSION = 1;

/** A longer request is refused: none needs more. */
export const MAX_REQUEST_BYTES = 64 * 1024;
/** A longer response is refused; a list of 300,000 snapshots fits. */
export const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/** How far a command is. `total` is absent where it is not known beforehand. */
export interface Progress {
  /** What is being done, e.g. `writing out`. */
  readonly step: string;
  readonly done: number;
  readonly total?: number | undefined;
  readonly unit: 'bytes' | 'items';
}

/** First and only line of a client. */
export const requestMessage = z.object({ version: z.number(), command: z.string(), arguments: z.unknown() });

const progress = z.object({
  step: z.string(),
  done: z.number(),
  total: z.number().optional(),
  unit: z.enum(['bytes', 'items']),
});

const error = z.object({ kind: z.string(), message: z.string() });

/** Lines of a daemon: any number of `progress`, then `result` or `error`, which is the last. */
export const responseMessage = z.union([
  z.object({ progress }),
  z.object({ error }),
  z.object({ result: z.unknown() }),
]);

/** An error without its class, as it travels between processes and threads. */
export interface ErrorMessage {
  readonly kind: string;
  readonly message: string;
}

/** What is told of an error on the other side: kind and message, never the stack. */
export function errorMessage(error: unknown): ErrorMessage {
  return { kind: kindOf(error), message: error instanceof Error ? error.message : String(error) };
}

/** The error a message tells of; a kind nobody knows, as another version may have, is `io`. */
export function errorFrom({ kind, message }: ErrorMessage): CairnError {
  return new CairnError(ERROR_KINDS.find((known) => known === kind) ?? 'io', message);
}
