import { Quarantine } from '../chunkstore/quarantine.js';
import { CatalogChunkStates } from '../content/catalog-chunk-states.js';
import type { LiveStore } from '../content/open-live-store.js';
import type { Problem } from '../control/commands.js';
import type { Log } from '../core/log.js';
import type { WritableDatastore } from '../datastore/open.js';
import { emptyOldest } from '../maintenance/gc/relief.js';
import { dropOlderCopies } from './catalog-copies/copy-files.js';

/** Room made at a time: enough for the reserve and some more. */
const RELIEF_BYTES = 128 * 1024 * 1024;

/**
 * From now on all copies of the catalog but the newest are removed, then the quarantine is emptied, oldest first, before
 * anything fails for want of room.
 * @param evict gives up what can be had again from elsewhere, before all that; says whether there was anything
 */
export function relieveFullDisk(
  datastore: WritableDatastore,
  live: LiveStore,
  log: Log,
  evict: () => Promise<boolean> = () => Promise.resolve(false),
): void {
  const { catalog, chunks, backend, config, paths } = datastore;
  const states = new CatalogChunkStates({ catalog, chunks, durability: live.durability, log: live.parts.log });
  const quarantine = new Quarantine({ backend, prefixDigits: config.prefixDigits, states });
  live.parts.room.relieveWith(async () => {
    if (await evict()) return true;
    if (await dropOlderCopies(paths.catalogCopies)) return true;
    if (catalog.chunks.totals('quarantined').chunks === 0) return false;
    const freed = await emptyOldest(quarantine, RELIEF_BYTES);
    if (freed.chunks > 0)
      log.warn({ ...freed }, 'The disk is nearly full: the oldest chunks in quarantine were deleted');
    return freed.bytes > 0;
  });
}

/** What an operator should know of the disk's room. */
export function roomProblems({ reserve }: WritableDatastore): Problem[] {
  if (reserve.kept) return [];
  const message = `The disk is full: nothing new is taken until ${Math.ceil(reserve.wantedBytes / 2 ** 20)} MiB are free`;
  return [
    { kind: 'disk-full', message: `${message}; forget snapshots or delete files, then run "cairn gc --grace 0"` },
  ];
}
