import { CairnError } from '../core/errors.js';

/** Runs a task with a signal that is aborted when the user wants it ended (SIGINT, SIGTERM): the task cleans up. */
export async function interruptible<T>(task: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => controller.abort(new CairnError('interrupted', 'Given up'));
  process.on('SIGINT', abort);
  process.on('SIGTERM', abort);
  try {
    return await task(controller.signal);
  } finally {
    process.off('SIGINT', abort);
    process.off('SIGTERM', abort);
  }
}
