import type { SourceFolder } from '../../native/source.js';

/** See https://bford.info/cachedir/ */
export const CACHE_TAG = Buffer.from('CACHEDIR.TAG');
const SIGNATURE = Buffer.from('Signature: 8a477f597d28d172789f06886806bc55');

/** Whether the tag in the folder marks it as a cache. */
export async function isCacheFolder(folder: SourceFolder): Promise<boolean> {
  try {
    const file = await folder.openFile(CACHE_TAG);
    try {
      const start = Buffer.alloc(SIGNATURE.length);
      await file.readInto(0, start);
      return start.equals(SIGNATURE);
    } finally {
      file.close();
    }
  } catch (error) {
    // What cannot be read marks nothing.
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return false;
  }
}
