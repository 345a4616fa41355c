import type { Readable } from 'node:stream';
import { CairnError } from '../core/errors.js';

/** The signal that is aborted when either is. */
export function eitherSignal(closing: AbortSignal, signal: AbortSignal | undefined): AbortSignal {
  return signal === undefined ? closing : AbortSignal.any([closing, signal]);
}

/** @throws {CairnError} `interrupted` where the signal is aborted */
export function requireGoingOn(signal: AbortSignal): void {
  if (signal.aborted) throw interrupted(signal);
}

export function interrupted(signal: AbortSignal): CairnError {
  return new CairnError('interrupted', 'Given up: the call was aborted, or the store is closed', {
    cause: signal.reason,
  });
}

/** Ends the stream with `interrupted` as soon as the signal is aborted. */
export function endedBy(signal: AbortSignal, stream: Readable): Readable {
  const giveUp = (): void => void stream.destroy(interrupted(signal));
  if (signal.aborted) giveUp();
  else {
    signal.addEventListener('abort', giveUp, { once: true });
    stream.once('close', () => signal.removeEventListener('abort', giveUp));
  }
  return stream;
}
