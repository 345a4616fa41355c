import { sep } from 'node:path';
import { CairnError } from '../core/errors.js';

/**
 * Refuses to mount a datastore inside itself, or over a folder it is in: the daemon would wait for itself.
 * @param store real path of the datastore
 * @param mountpoint real path of the folder to mount on
 * @throws {CairnError} `invalid`
 */
export function checkApart(store: string, mountpoint: string): void {
  if (contains(store, mountpoint)) {
    throw new CairnError(
      'invalid',
      `The mountpoint ${mountpoint} is inside the datastore ${store}: choose another folder`,
    );
  }
  if (contains(mountpoint, store)) {
    throw new CairnError(
      'invalid',
      `The datastore ${store} is inside the mountpoint ${mountpoint}: choose another folder`,
    );
  }
}

/** Whether a path is a folder, or in it; both are real paths. */
export function contains(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
