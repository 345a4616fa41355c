import type { Problem } from '../control/commands.js';
import type { ScheduleEntry } from '../control/schedule-commands.js';
import { CairnError } from '../core/errors.js';
import { type DatastoreConfig, readConfig } from '../datastore/config.js';
import { MembersLook } from '../datastore/members-look.js';
import { openObjects } from '../datastore/object-store.js';
import { openDatastoreReader } from '../datastore/open.js';
import { type DatastorePaths, datastorePaths } from '../datastore/paths.js';
import { backendProblems } from './backend-handlers.js';
import { failedSnapshots } from './failed-snapshots.js';
import { problemsOf, readGcRecord } from './gc-record.js';
import { cairnMounts } from './mounts.js';
import { failedJobs, failedRaises, readLastRuns, storedSchedule } from './schedule/stored-schedule.js';

/** What is known of a datastore nobody has mounted. */
export interface UnmountedStatus {
  readonly store: string;
  readonly pid: null;
  readonly mountpoint: null;
  readonly dirtyBytes: 0;
  readonly oldestUnsyncedSeconds: null;
  /** When the chunk verified longest ago was, epoch seconds; 0: some never were; null: the catalog does not tell. */
  readonly oldestVerifiedAt: number | null;
  /** How many never were. */
  readonly neverVerified: number;
  readonly schedule: readonly ScheduleEntry[];
  readonly problems: readonly Problem[];
}

/** Looks at a datastore as its last daemon left it; nothing is locked or changed. */
export async function unmountedStatus(store: string): Promise<UnmountedStatus> {
  const paths = datastorePaths(store);
  const schedule = storedSchedule(paths);
  const stale = (await cairnMounts()).filter((mount) => mount.store === store);
  const gc = await readGcRecord(paths.gcRecord);
  const care = await careOf(store);
  return {
    ...{ store, pid: null, mountpoint: null, dirtyBytes: 0, oldestUnsyncedSeconds: null, schedule },
    oldestVerifiedAt: care.oldestVerifiedAt,
    neverVerified: care.neverVerified,
    problems: [
      ...stale.map(({ mountpoint }) => ({
        kind: 'stale-mount',
        message: `The daemon that served ${mountpoint} is gone: "cairn mount" or "cairn umount" cleans up`,
      })),
      ...care.problems,
      ...(await missingBackends(paths)),
      ...(gc === undefined ? [] : problemsOf(gc)),
      ...failedJobs(schedule),
      ...failedRaises(paths, readLastRuns(paths)),
    ],
  };
}

/** What is wrong with the backends; each is asked. */
async function missingBackends(paths: DatastorePaths): Promise<Problem[]> {
  const config = configIfReadable(paths);
  if (config?.backends === undefined) return [];
  const { spread, close } = await openObjects(paths.root, config);
  try {
    const look = spread && new MembersLook(spread.spread.members);
    await look?.done;
    return backendProblems({ spread }, look);
  } finally {
    close();
  }
}

/** What keeps the config from being read keeps the catalog from it, too, which tells. */
function configIfReadable(paths: DatastorePaths): DatastoreConfig | undefined {
  try {
    return readConfig(paths);
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    return undefined;
  }
}

/** What the catalog knows of how sound the chunks are. */
async function careOf(
  store: string,
): Promise<Pick<UnmountedStatus, 'oldestVerifiedAt' | 'neverVerified' | 'problems'>> {
  try {
    const datastore = await openDatastoreReader(store);
    try {
      const { never, oldestAt } = datastore.catalog.chunks.verification();
      const bad = datastore.catalog.figures().chunks.bad.chunks;
      const message = `${bad} chunks are damaged: "cairn repair" names the files concerned`;
      return {
        oldestVerifiedAt: never > 0 ? 0 : (oldestAt ?? 0),
        neverVerified: never,
        problems: [...(bad === 0 ? [] : [{ kind: 'damaged-chunks', message }]), ...failedSnapshots(datastore.catalog)],
      };
    } finally {
      datastore.close();
    }
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    const problems = [{ kind: 'catalog', message: `The catalog cannot be read: ${error.message}` }];
    return { oldestVerifiedAt: null, neverVerified: 0, problems };
  }
}
