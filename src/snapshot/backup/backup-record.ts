import { CairnError } from '../../core/errors.js';
import { type FlatListing, StatusNumber } from '../../native/source.js';
import type { BackupFigures, BackupProblem, BackupReport } from './backup-protocol.js';
import { numberAt, TYPE, typeAt } from './source-listing.js';

/** Problems of one kind kept by path; more are only counted. */
const KEPT_PROBLEMS = 1000;

/** Gathers what a backup finds and does. */
export class BackupRecord {
  readonly figures: BackupFigures = {
    ...{ files: 0, folders: 0, others: 0, links: 0, newFiles: 0, changedFiles: 0, unchangedFiles: 0 },
    ...{ contentBytes: 0, readBytes: 0, excluded: 0 },
  };
  /** Bytes of files that need not be read. */
  passedBytes = 0;
  readonly #problems: BackupProblem[] = [];
  readonly #counts = { unreadable: 0, changed: 0 };

  /** @param path relative to the source; empty for the source itself */
  problem(kind: BackupProblem['kind'], path: Uint8Array, message: string): void {
    this.#counts[kind] += 1;
    if (this.#counts[kind] > KEPT_PROBLEMS) return;
    const shown = path.length === 0 ? '.' : Buffer.from(path).toString();
    this.#problems.push({ path: shown, kind, message });
  }

  /** Counts what is anything but a folder and need not be looked at any more. */
  passed(listing: FlatListing, index: number): void {
    const { figures } = this;
    if (typeAt(listing, index) !== TYPE.file) {
      figures.others += 1;
      return;
    }
    const size = numberAt(listing, index, StatusNumber.size);
    figures.files += 1;
    figures.unchangedFiles += 1;
    figures.contentBytes += size;
    this.passedBytes += size;
  }

  report(): BackupReport {
    const { unreadable, changed } = this.#counts;
    return { figures: { ...this.figures }, problems: this.#problems, unreadable, changedWhileRead: changed };
  }
}

/** Notes an error of the system that concerns a path of the source. @throws any other error */
export function tellUnreadable(record: BackupRecord, path: Uint8Array, error: unknown): void {
  const errno = errnoOf(error);
  if (errno === undefined) throw error;
  record.problem('unreadable', path, errnoText(errno));
}

/** errno, positive, of an error of the system that concerns the source; undefined for any other. */
function errnoOf(error: unknown): number | undefined {
  if (error instanceof CairnError || !(error instanceof Error) || !('errno' in error)) return undefined;
  return typeof error.errno === 'number' ? Math.abs(error.errno) : undefined;
}

/** What an errno means, for people. */
export function errnoText(errno: number): string {
  return ERRNO_TEXTS[errno] ?? `error ${errno}`;
}

const ERRNO_TEXTS: Readonly<Record<number, string>> = {
  1: 'not permitted',
  2: 'vanished',
  5: 'input/output error',
  13: 'permission denied',
  20: 'no folder any more',
  24: 'too many open files',
  40: 'a symbolic link now',
  116: 'no regular file any more',
};
