import { setTimeout as pause } from 'node:timers/promises';

/** Nobody who makes a group, or collects, waits longer for an object store that does not answer. */
export const PATIENCE_MS = 3000;

/** What the work gives, or undefined where it takes longer; it goes on then, and its failure is nobody's. @throws what it fails with in time */
export async function within<T>(work: Promise<T>, milliseconds: number): Promise<T | undefined> {
  const timeout = new AbortController();
  const late = pause(milliseconds, undefined, { signal: timeout.signal }).catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    timeout.abort();
    work.catch(() => undefined);
  }
}
