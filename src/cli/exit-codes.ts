import { CairnError, type ErrorKind } from '../core/errors.js';

/** What the program's exit code says; 0 is success. Part of the command line's contract. */
export const EXIT_OK = 0;
/** It could not be done. */
export const EXIT_FAILED = 1;
/** The command line makes no sense. */
export const EXIT_USAGE = 2;
/** What was named does not exist. */
export const EXIT_NOT_FOUND = 3;
/** It is in use; trying again later may help. */
export const EXIT_BUSY = 4;
/** The datastore is not mounted, or its daemon or its object store does not answer. */
export const EXIT_NOT_MOUNTED = 5;
/** The command did its work and found something an operator should look at. */
export const EXIT_PROBLEMS = 6;
/** Given up at the user's request. */
export const EXIT_INTERRUPTED = 130;

const CODE_OF_KIND: Record<ErrorKind, number> = {
  'not-found': EXIT_NOT_FOUND,
  exists: EXIT_FAILED,
  'not-a-directory': EXIT_FAILED,
  'is-a-directory': EXIT_FAILED,
  'not-empty': EXIT_FAILED,
  'not-permitted': EXIT_FAILED,
  'access-denied': EXIT_FAILED,
  invalid: EXIT_USAGE,
  'cross-device': EXIT_FAILED,
  'name-too-long': EXIT_USAGE,
  'too-large': EXIT_FAILED,
  'too-many-links': EXIT_FAILED,
  'no-space': EXIT_FAILED,
  'quota-exceeded': EXIT_FAILED,
  'read-only': EXIT_FAILED,
  busy: EXIT_BUSY,
  'no-attribute': EXIT_FAILED,
  'no-data-here': EXIT_FAILED,
  unsupported: EXIT_FAILED,
  'out-of-range': EXIT_FAILED,
  stale: EXIT_FAILED,
  interrupted: EXIT_INTERRUPTED,
  'not-ready': EXIT_BUSY,
  corrupt: EXIT_FAILED,
  unreachable: EXIT_NOT_MOUNTED,
  throttled: EXIT_BUSY,
  'credentials-refused': EXIT_FAILED,
  io: EXIT_FAILED,
};

/** The exit code for anything a command threw; a kind this program does not know is a plain failure. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof CairnError)) return EXIT_FAILED;
  return CODE_OF_KIND[error.kind] ?? EXIT_FAILED;
}
