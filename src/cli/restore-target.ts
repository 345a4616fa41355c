import { realpath } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { CairnError, fromSystemError } from '../core/errors.js';
import { contains } from '../datastore/nesting.js';

/**
 * Refuses to restore into a datastore's folder, also by way of symlinks.
 * @param store real path of the datastore
 * @param target absolute; need not be there
 * @throws {CairnError} `invalid`
 */
export async function requireOutside(store: string, target: string): Promise<void> {
  if (contains(store, await realTarget(target))) {
    throw new CairnError('invalid', `${target} is inside the datastore ${store}: choose another folder`);
  }
}

/** Where a path leads that need not be there, by way of the deepest folder that is. */
async function realTarget(path: string): Promise<string> {
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      return join(await realpath(folder), relative(folder, path));
    } catch (error) {
      const failure = fromSystemError(error, `look at ${folder}`);
      if (failure.kind !== 'not-found' && failure.kind !== 'not-a-directory') throw failure;
      if (folder === dirname(folder)) throw failure;
    }
  }
}
