import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { fromSystemError } from '../core/errors.js';
import { makeFolders, putFile, syncFolder } from '../native/files.js';
import { OBJECTS_FOLDER } from './object-files.js';

const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;

/** A file of an object; its path is relative to the datastore. */
export interface ObjectFileBytes {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * Puts files of objects, each whole or not at all; all are durable when it resolves. Index files come before the records
 * that name them, in a call of their own.
 * @throws {CairnError} what writing gives; some may be there then
 */
export async function publishObjectFiles(store: string, files: readonly ObjectFileBytes[]): Promise<void> {
  if (files.length === 0) return;
  const folders = [OBJECTS_FOLDER, ...new Set(files.map(({ path }) => dirname(path)))];
  try {
    await makeFolders(
      folders.map((folder) => `${store}/${folder}`),
      FOLDER_MODE,
    );
    await Promise.all(files.map((file) => put(store, file)));
    for (const folder of [`${store}/${OBJECTS_FOLDER}`, store]) await syncFolder(folder);
  } catch (error) {
    throw fromSystemError(error, `write objects in ${store}`);
  }
}

async function put(store: string, { path, bytes }: ObjectFileBytes): Promise<void> {
  const target = `${store}/${path}`;
  const temporary = `${target}.tmp_${randomBytes(3).toString('hex')}`;
  await putFile(target, temporary, bytes, { mode: FILE_MODE, sync: true });
}
