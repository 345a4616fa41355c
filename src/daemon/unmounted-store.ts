import { type LiveStore, openLiveStore } from '../content/open-live-store.js';
import type { Log } from '../core/log.js';
import { systemClock } from '../core/time.js';
import { type ClaimHolder, openDatastore, type WritableDatastore } from '../datastore/open.js';
import { relieveFullDisk } from './full-disk.js';
import { SnapshotService } from './snapshot-service.js';

/** Nobody asks for anything meanwhile, and closing the catalog copies its log. */
const NO_GATE = { pause: () => undefined, resume: () => undefined };
const NO_CHECKPOINTS = { betweenTransactions: () => undefined, committed: () => undefined };

/** What is open of a datastore that this process has for itself, without a mount. */
export interface UnmountedStore {
  readonly datastore: WritableDatastore;
  readonly live: LiveStore;
  readonly snapshots: SnapshotService;
}

/**
 * Opens a datastore that is not mounted, as a mount would, for one piece of work.
 * @param claim as for `openDatastore`
 * @throws {CairnError} `busy` where another process has it, and what the work gives
 */
export async function withUnmounted<T>(
  store: string,
  log: Log,
  work: (opened: UnmountedStore) => Promise<T>,
  claim: ClaimHolder = 'open',
): Promise<T> {
  const datastore = await openDatastore(store, claim);
  try {
    const live = await openLiveStore({
      catalog: datastore.catalog,
      catalogPath: datastore.paths.catalog,
      chunks: datastore.chunks,
      journalFolder: datastore.paths.journal,
      reserve: datastore.reserve,
      gate: NO_GATE,
      checkpoints: NO_CHECKPOINTS,
      readOnly: false,
      clock: systemClock,
      log,
    });
    try {
      relieveFullDisk(datastore, live, log);
      const snapshots = new SnapshotService(datastore, live, log);
      await snapshots.completeInterrupted();
      const done = await work({ datastore, live, snapshots });
      await snapshots.end();
      await live.durability.commitDurably();
      await live.parts.room.remake();
      return done;
    } finally {
      live.close();
    }
  } finally {
    datastore.close();
  }
}
