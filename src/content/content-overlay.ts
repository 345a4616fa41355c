import type { Timestamp } from '../core/time.js';

/** What the kernel does not know of a file yet or the catalog does not: size and times with the dirty bytes. */
export interface ContentOverlay {
  readonly size: number;
  readonly mtime: Timestamp | undefined;
  /** Bytes that are not recorded yet. */
  readonly dirtyBytes: number;
}
