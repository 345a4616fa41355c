import { CairnError } from '../core/errors.js';

/**
 * The CairnError for what the addon says about bytes it was given: `corrupt` or `unsupported`. All else (an error of
 * the system, out of memory) comes back as it is.
 * @param what the bytes, for the message, e.g. `blob`
 */
export function fromAddonError(error: unknown, what: string): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  if (error.code === 'CAIRN_CORRUPT')
    return new CairnError('corrupt', `Damaged ${what}: ${error.message}`, { cause: error });
  if (error.code === 'CAIRN_UNSUPPORTED') {
    return new CairnError('unsupported', `Cannot read ${what}: ${error.message}`, { cause: error });
  }
  return error;
}
