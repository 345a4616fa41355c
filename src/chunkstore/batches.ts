/**
 * Chunks that share one commit, and so one wait for the disk. Neither their rows nor their files are handled in one
 * step: see `ROWS_PER_REQUEST` and `FILES_PER_STEP`.
 */
export const MAX_BATCH = 8000;

/** Rows a collector on another thread has written by one request to the catalog's writer. */
export const ROWS_PER_REQUEST = 1000;

/** Files a backend moves or deletes by one call. */
export const FILES_PER_STEP = 1000;

/** Items in slices of at most `length`. */
export function* slices<T>(items: readonly T[], length: number): Generator<readonly T[]> {
  for (let from = 0; from < items.length; from += length) yield items.slice(from, from + length);
}
