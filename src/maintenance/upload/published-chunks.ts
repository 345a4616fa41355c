import { ChunkSet } from '../../catalog/chunk-set.js';
import { standingDigests } from '../../chunk/standing-chunks.js';
import type { Digest } from '../../core/digest.js';
import { listIfThere } from '../../datastore/list-if-there.js';
import { loadIndex } from '../../index/index-file.js';
import { UNCERTAIN, type UploadParts } from './upload-parts.js';

const ROWS_AT_ONCE = 500;
const INDEX = /\.[fd]idx$/;

/** Chunks that no collection of a shared object store takes, whatever becomes of this machine. */
export interface PublishedChunks {
  has(digest: Digest): boolean;
}

/**
 * Chunks that index files in the object store name, snapshots' and pins'. What this machine alone needs goes from there
 * once it is taken for dead, and so must be here.
 * @param use is given them; they are no more when it has ended
 */
export async function withPublishedChunks<T>(
  parts: Pick<UploadParts, 'reader' | 'store' | 'machine'>,
  use: (published: PublishedChunks) => Promise<T>,
): Promise<T> {
  const { reader } = parts;
  const set = new ChunkSet();
  try {
    for (let after = ''; ; ) {
      const files = reader.uploads.listFiles(after, ROWS_AT_ONCE);
      for (const { path, identity } of files) {
        const found = INDEX.test(path) && identity !== UNCERTAIN ? reader.sets.find(path) : undefined;
        if (found?.kind !== 'whole') continue;
        set.addAll(found.value);
        found.value.dispose();
      }
      const last = files.at(-1);
      if (last === undefined) break;
      after = last.path;
    }
    for (const pin of await pinsHere(parts)) {
      const { index } = await loadIndex(`${parts.store}/${pin}`);
      reader.sets.addKnown(
        set,
        (function* () {
          for (let at = 0; at < index.count; at += 1) yield index.digest(at);
        })(),
      );
    }
    reader.sets.addKnown(set, standingDigests());
    return await use({ has: (digest) => reader.sets.has(set, digest) });
  } finally {
    set.dispose();
  }
}

/** The pin here is a copy of the one there, put after that. */
async function pinsHere({ store, machine }: Pick<UploadParts, 'store' | 'machine'>): Promise<string[]> {
  const folder = `pins/${machine}`;
  const names = (await listIfThere(`${store}/${folder}`)).map(({ name }) => name.toString());
  return names.filter((name) => INDEX.test(name)).map((name) => `${folder}/${name}`);
}
