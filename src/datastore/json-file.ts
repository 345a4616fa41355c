import { readFileSync } from 'node:fs';
import { CairnError, fromSystemError, kindOf } from '../core/errors.js';
import { putFile } from '../native/files.js';

/** Only its owner may read what is ours alone. */
const MODE = 0o600;

/**
 * The JSON value in a file, or undefined where there is no file.
 * @throws {CairnError} `corrupt` where it is not JSON, and what reading gives
 */
export function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const failure = fromSystemError(error, `read ${path}`);
    if (kindOf(failure) === 'not-found') return undefined;
    throw failure;
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CairnError('corrupt', `${path} is damaged: it is not JSON`, { cause: error });
  }
}

/** Replaces a file by a JSON value, all or nothing; durable when it resolves. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  try {
    await putFile(path, `${path}.tmp`, Buffer.from(`${JSON.stringify(value, null, 2)}\n`), { mode: MODE, sync: true });
  } catch (error) {
    throw fromSystemError(error, `write ${path}`);
  }
}
