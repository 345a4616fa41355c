import { CairnError, type ErrorKind } from '../../src/core/errors.js';

/** Whether an error is of a kind, and its one line says something. */
export function isKind(kind: ErrorKind, message?: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof CairnError && error.kind === kind && (message === undefined || message.test(error.message));
}
