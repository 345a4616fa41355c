import { openLiveStore } from '../content/open-live-store.js';
import type { SnapshotCreated } from '../control/commands.js';
import type { GroupName } from '../core/group.js';
import type { Log } from '../core/log.js';
import { systemClock } from '../core/time.js';
import { openDatastore } from '../datastore/open.js';
import { SnapshotService } from './snapshot-service.js';

/** Nobody asks for anything meanwhile, and closing the catalog copies its log. */
const NO_GATE = { pause: () => undefined, resume: () => undefined };
const NO_CHECKPOINTS = { betweenTransactions: () => undefined, committed: () => undefined };

/**
 * Makes a snapshot of a datastore that is not mounted, in this process.
 * @throws {CairnError} `busy` where another process has the datastore, and what making a snapshot gives
 */
export async function snapshotUnmounted(store: string, group: GroupName, log: Log): Promise<SnapshotCreated> {
  const datastore = await openDatastore(store);
  try {
    const live = await openLiveStore({
      catalog: datastore.catalog,
      catalogPath: datastore.paths.catalog,
      chunks: datastore.chunks,
      journalFolder: datastore.paths.journal,
      gate: NO_GATE,
      checkpoints: NO_CHECKPOINTS,
      readOnly: false,
      clock: systemClock,
      log,
    });
    try {
      const snapshots = new SnapshotService(datastore, live, log);
      await snapshots.completeInterrupted();
      const made = await snapshots.create(group);
      await snapshots.end();
      await live.durability.commitDurably();
      return made;
    } finally {
      live.close();
    }
  } finally {
    datastore.close();
  }
}
