import { type Checkpoints, type LiveStore, openLiveStore } from '../content/open-live-store.js';
import type { Log } from '../core/log.js';
import { systemClock } from '../core/time.js';
import { type ClaimHolder, openDatastore, type WritableDatastore } from '../datastore/open.js';
import { relieveFullDisk } from './full-disk.js';
import { writersWithoutMount } from './shared/writers-of-groups.js';
import { SnapshotService } from './snapshot-service.js';

/** Nobody asks for anything meanwhile, and closing the catalog copies its log. */
const NO_GATE = { pause: () => undefined, resume: () => undefined };
const NO_CHECKPOINTS: Checkpoints = {
  betweenTransactions: () => undefined,
  committed: () => undefined,
  onFailedSync: () => undefined,
};

/** What is open of a datastore that this process has for itself, without a mount. */
export interface UnmountedStore {
  readonly datastore: WritableDatastore;
  readonly live: LiveStore;
  readonly snapshots: SnapshotService;
}

/** A datastore that is open without a mount until it is closed. */
export interface OpenUnmounted extends UnmountedStore {
  /** Makes everything durable; to be called before `close` where nothing failed. */
  finish(): Promise<void>;
  close(): void;
}

/**
 * Opens a datastore that is not mounted, as a mount would.
 * @param claim as for `openDatastore`
 * @param checkpoints who keeps SQLite's log short, where it stays open for long
 * @throws {CairnError} `busy` where another process has it
 */
export async function openUnmounted(
  store: string,
  log: Log,
  claim: ClaimHolder = 'open',
  checkpoints: Checkpoints = NO_CHECKPOINTS,
): Promise<OpenUnmounted> {
  const datastore = await openDatastore(store, claim);
  try {
    const live = await openLiveStore({
      catalog: datastore.catalog,
      catalogPath: datastore.paths.catalog,
      chunks: datastore.chunks,
      journalFolder: datastore.paths.journal,
      reserve: datastore.reserve,
      gate: NO_GATE,
      checkpoints,
      readOnly: false,
      clock: systemClock,
      log,
    });
    const close = (): void => {
      live.close();
      datastore.close();
    };
    try {
      relieveFullDisk(datastore, live, log);
      const snapshots = new SnapshotService(datastore, live, log);
      if (datastore.objects?.shared !== undefined) snapshots.guard.use(writersWithoutMount(datastore.paths));
      await snapshots.completeInterrupted();
      return { datastore, live, snapshots, finish: () => finish(live, snapshots), close };
    } catch (error) {
      live.close();
      throw error;
    }
  } catch (error) {
    datastore.close();
    throw error;
  }
}

/**
 * Opens a datastore that is not mounted for one piece of work.
 * @param claim as for `openDatastore`
 * @throws {CairnError} `busy` where another process has it, and what the work gives
 */
export async function withUnmounted<T>(
  store: string,
  log: Log,
  work: (opened: UnmountedStore) => Promise<T>,
  claim: ClaimHolder = 'open',
): Promise<T> {
  const opened = await openUnmounted(store, log, claim);
  try {
    const done = await work(opened);
    await opened.finish();
    return done;
  } finally {
    opened.close();
  }
}

async function finish({ durability, parts }: LiveStore, snapshots: SnapshotService): Promise<void> {
  await snapshots.end();
  await durability.commitDurably();
  await parts.room.remake();
}
