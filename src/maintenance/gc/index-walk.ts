import pLimit from 'p-limit';
import { CairnError, fromSystemError, kindOf } from '../../core/errors.js';
import { indexKindOfName } from '../../index/archive-names.js';
import { type FolderName, listFolder } from '../../native/files.js';

/** Folders listed at the same time. */
const AT_ONCE = 8;
/** Deeper than any namespace can be (7 levels of two folders, type, group, snapshot): a link leads in a circle. */
const MAX_DEPTH = 24;

/**
 * The paths, relative to the datastore, of all index files in it, wherever they lie: those of snapshots, pins, and any
 * that are not where they should be. Hidden folders, `.cairn/forgotten` among them, do not count.
 * @throws {CairnError} where any folder cannot be listed; one that vanishes meanwhile is passed over
 */
export async function indexFilesOnDisk(store: string): Promise<string[]> {
  const limit = pLimit(AT_ONCE);
  const found: string[] = [];
  const walk = async (folder: string, depth: number): Promise<void> => {
    if (depth > MAX_DEPTH)
      throw new CairnError('invalid', `${store}/${folder} is too deep: does a link lead in a circle?`);
    const names = await limit(() => listed(store, folder));
    const below: Promise<void>[] = [];
    for (const { name, type } of names) {
      const text = textOf(name, folder);
      if (text.startsWith('.') || (folder === '' && text === 'lost+found')) continue;
      const path = folder === '' ? text : `${folder}/${text}`;
      if (type !== 'folder' && indexKindOfName(text) !== undefined) found.push(path);
      else if (type === 'folder' || type === 'symlink') below.push(walk(path, depth + 1));
    }
    await allSettled(below);
  };
  await walk('', 0);
  return found;
}

/** What nothing legal is called cannot hold an index we could name; it must not be passed over either. */
function textOf(name: Buffer, folder: string): string {
  const text = name.toString('utf8');
  if (Buffer.from(text).equals(name)) return text;
  throw new CairnError('invalid', `A name in ${folder || 'the datastore'} is not UTF-8: ${name.toString('latin1')}`);
}

async function listed(store: string, folder: string): Promise<FolderName[]> {
  const path = folder === '' ? store : `${store}/${folder}`;
  try {
    return await listFolder(path);
  } catch (error) {
    const failure = fromSystemError(error, `list ${path}`);
    const kind = kindOf(failure);
    // Gone meanwhile, or a link to no folder; the datastore's own folder is neither.
    if (folder !== '' && (kind === 'not-found' || kind === 'not-a-directory')) return [];
    throw failure;
  }
}

/** Nothing runs on when it throws. */
async function allSettled(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}
