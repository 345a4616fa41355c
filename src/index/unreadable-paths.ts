import type { JsonObject } from './canonical-json.js';
import type { Manifest } from './manifest.js';

/** Our own in the unprotected part of a manifest. */
const KEY = 'cairn_unreadable_paths';

/** How many paths of its source a snapshot lacks, in part or as a whole, because they could not be read; 0 where nothing tells. */
export function unreadablePathsOf({ unprotected }: Pick<Manifest, 'unprotected'>): number {
  const count = unprotected[KEY];
  return typeof count === 'number' && Number.isSafeInteger(count) && count > 0 ? count : 0;
}

/** What the unprotected part of its manifest says of that: nothing where there are none. */
export function toldUnreadable(count: number): JsonObject {
  return count > 0 ? { [KEY]: count } : {};
}
