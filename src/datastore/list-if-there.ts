import { fromSystemError, kindOf } from '../core/errors.js';
import { type FolderName, listFolder } from '../native/files.js';

/**
 * What is in a folder; nothing where there is none.
 * @throws {CairnError} what listing gives
 */
export async function listIfThere(path: string): Promise<FolderName[]> {
  try {
    return await listFolder(path);
  } catch (error) {
    const failure = fromSystemError(error, `list ${path}`);
    if (kindOf(failure) === 'not-found') return [];
    throw failure;
  }
}
