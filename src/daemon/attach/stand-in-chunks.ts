import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import pLimit from 'p-limit';
import { makePlaceholder } from '../../backend/cache/placeholder.js';
import { standingDigests } from '../../chunk/standing-chunks.js';
import { chunkFolders, chunkName, chunkOfName, type PrefixDigits } from '../../chunkstore/layout.js';
import type { Digest } from '../../core/digest.js';
import type { ObjectStore } from '../../datastore/object-store.js';
import type { JobProgress } from '../../maintenance/job/job-messages.js';

/** Listings, and files made, at the same time. */
const LISTED_AT_ONCE = 16;
const MADE_AT_ONCE = 32;
/** Of so many chunks a page each for 256 folders would be more requests. */
const LISTED_TOGETHER = 10_000;
const QUARANTINE = '.cairn/quarantine';
const OWN_MODE = 0o700;

/** What was listed. */
export interface StoodInChunks {
  readonly chunks: number;
  readonly bytes: number;
  /** Standing chunks the object store does not have. */
  readonly missingStanding: readonly Digest[];
}

/**
 * Makes a placeholder for every chunk in the object store, those in quarantine too, so that lengths and listings cost no request
 * from then on. The standing chunks are there already. Not synced.
 * @param store absolute path of the datastore's folder, with the folders for chunks
 */
export async function standInChunks(
  listing: ObjectStore['listing'],
  store: string,
  prefixDigits: PrefixDigits,
  { progress, signal }: { progress(progress: JobProgress): void; signal: AbortSignal },
): Promise<StoodInChunks> {
  const standing = new Map(standingDigests().map((digest) => [chunkName(digest, prefixDigits), digest]));
  const sum = { chunks: 0, bytes: 0 };
  const making = pLimit(MADE_AT_ONCE);
  const seen = new Set<string>();
  const standIn = async (folder: string, most = Number.POSITIVE_INFINITY): Promise<boolean> => {
    const made: Promise<unknown>[] = [];
    let isWhole = true;
    for await (const { name, bytes } of listing.objects(folder)) {
      signal.throwIfAborted();
      if (made.length >= most) {
        isWhole = false;
        break;
      }
      if (chunkOfName(name) === undefined || seen.has(name)) continue;
      if (most < Number.POSITIVE_INFINITY) seen.add(name);
      standing.delete(name);
      sum.chunks += 1;
      sum.bytes += bytes;
      made.push(making(() => makePlaceholder(`${store}/${name}`, bytes)));
    }
    await Promise.all(made);
    progress({ step: 'listing chunks', done: sum.chunks, unit: 'items' });
    return isWhole;
  };
  // The 65,536 folders of PBS's layout are listed together, and so are all of a small datastore.
  const isWhole = await standIn('.chunks', prefixDigits === 2 ? LISTED_TOGETHER : undefined);
  const limit = pLimit(LISTED_AT_ONCE);
  if (!isWhole) await Promise.all(chunkFolders(prefixDigits).map((folder) => limit(() => standIn(folder))));
  for await (const { name, bytes } of listing.objects(QUARANTINE)) {
    await mkdir(dirname(`${store}/${name}`), { recursive: true, mode: OWN_MODE });
    await makePlaceholder(`${store}/${name}`, bytes);
  }
  return { ...sum, missingStanding: [...standing.values()] };
}
