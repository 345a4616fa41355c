import { type LastGc, lastGc } from '../control/gc-commands.js';
import { fromSystemError, kindOf } from '../core/errors.js';
import { putFile, readFile } from '../native/files.js';

const MODE = 0o644;

/**
 * How the last collection of a datastore ended, or undefined where none has, or what is said of it makes no sense: it is
 * only told to people, and keeps a clock that stands before it from collecting.
 * @throws {CairnError} where the record cannot be read
 */
export async function readLastGc(path: string): Promise<LastGc | undefined> {
  let text: string;
  try {
    text = (await readFile(path)).toString();
  } catch (error) {
    const failure = fromSystemError(error, `read ${path}`);
    if (kindOf(failure) === 'not-found') return undefined;
    throw failure;
  }
  try {
    return lastGc.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Records how a collection ended. */
export async function writeLastGc(path: string, last: LastGc): Promise<void> {
  try {
    await putFile(path, `${path}.tmp`, Buffer.from(`${JSON.stringify(last)}\n`), { mode: MODE });
  } catch (error) {
    throw fromSystemError(error, `write ${path}`);
  }
}
