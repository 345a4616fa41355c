import { fromSystemError, kindOf } from '../core/errors.js';
import { readFile } from '../native/files.js';

/**
 * All bytes of a small file, the caller's; undefined where there is none.
 * @throws {CairnError} what reading gives
 */
export async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    const failure = fromSystemError(error, `read ${path}`);
    if (kindOf(failure) === 'not-found') return undefined;
    throw failure;
  }
}
