import { unlessInterrupted } from '../content/interruption.js';
import { CairnError } from '../core/errors.js';

/**
 * Waits for work that goes on without whoever waits; `signal` may outlive it, and keeps nothing of it.
 * @throws {CairnError} `interrupted` as soon as the signal is aborted; what the work failed with
 */
export async function unlessGivenUp<T>(work: Promise<T>, signal: AbortSignal, message = 'Given up'): Promise<T> {
  try {
    return await unlessInterrupted(work, signal);
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
    throw new CairnError('interrupted', message, { cause: error });
  }
}
