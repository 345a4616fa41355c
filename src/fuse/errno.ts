import { constants } from 'node:os';
import { CairnError, type ErrorKind, kindOf } from '../core/errors.js';

const { errno } = constants;

/** What the kernel is told for each kind of error. The only such table. */
const ERRNO_OF_KIND: Readonly<Record<ErrorKind, number>> = {
  'not-found': errno.ENOENT,
  exists: errno.EEXIST,
  'not-a-directory': errno.ENOTDIR,
  'is-a-directory': errno.EISDIR,
  'not-empty': errno.ENOTEMPTY,
  'not-permitted': errno.EPERM,
  'access-denied': errno.EACCES,
  invalid: errno.EINVAL,
  'cross-device': errno.EXDEV,
  'name-too-long': errno.ENAMETOOLONG,
  'too-large': errno.EFBIG,
  'too-many-links': errno.EMLINK,
  'no-space': errno.ENOSPC,
  'quota-exceeded': errno.EDQUOT,
  'read-only': errno.EROFS,
  busy: errno.EBUSY,
  'no-attribute': errno.ENODATA,
  'no-data-here': errno.ENXIO,
  unsupported: errno.EOPNOTSUPP,
  'out-of-range': errno.ERANGE,
  stale: errno.ESTALE,
  interrupted: errno.EINTR,
  'not-ready': errno.EBUSY,
  corrupt: errno.EIO,
  unreachable: errno.EIO,
  throttled: errno.EIO,
  'credentials-refused': errno.EIO,
  io: errno.EIO,
};

/** The errno (positive) for any thrown value; whatever is unknown is EIO, never ENOSYS. */
export function errnoOf(error: unknown): number {
  return ERRNO_OF_KIND[kindOf(error)];
}

/** Whether an operator should hear of it: everything that is not a plain refusal. */
export function isWorthLogging(error: unknown): boolean {
  return !(error instanceof CairnError) || ERRNO_OF_KIND[error.kind] === errno.EIO;
}
