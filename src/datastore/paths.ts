import { join } from 'node:path';

/** Where everything of a datastore is (design §2); all absolute. */
export interface DatastorePaths {
  readonly root: string;
  /** PBS's process lock. */
  readonly pbsLock: string;
  readonly chunks: string;
  /** The folder that is ours alone. */
  readonly own: string;
  readonly config: string;
  /** What may be changed at any time: schedules, policies. */
  readonly settings: string;
  /** How the scheduled jobs last ended, and which groups changed since their last snapshot. */
  readonly scheduleState: string;
  readonly groupMarks: string;
  /** Who this folder is among those in front of one object store. */
  readonly machine: string;
  /** Which groups are other machines' in the object store. */
  readonly groupsOfOthers: string;
  /** Names of forgotten snapshots, which in a shared object store are not used again. */
  readonly forgottenNames: string;
  /** Held exclusively by the daemon; says who it is. */
  readonly lock: string;
  /** There while `createDatastore` is at work, or was interrupted. */
  readonly unfinished: string;
  readonly catalog: string;
  /** Folder of what says where pieces of chunks are on several backends: a picture that can be lost. */
  readonly shards: string;
  /** Copies of the catalog, one by one compressed. */
  readonly catalogCopies: string;
  /** There while the catalog is being rebuilt, or that was interrupted. */
  readonly rebuilding: string;
  readonly journal: string;
  readonly quarantine: string;
  readonly forgotten: string;
  /** Allocated space that is given up on a full disk. */
  readonly reserve: string;
  /** How the last collection of garbage ended. */
  readonly gcRecord: string;
  /** Log of a daemon in the background. */
  readonly log: string;
}

/** @param root absolute path of the datastore */
export function datastorePaths(root: string): DatastorePaths {
  const own = join(root, '.cairn');
  return {
    root,
    pbsLock: join(root, '.lock'),
    chunks: join(root, '.chunks'),
    own,
    config: join(own, 'config.json'),
    settings: join(own, 'settings.json'),
    scheduleState: join(own, 'schedule-state.json'),
    groupMarks: join(own, 'group-marks.json'),
    machine: join(own, 'machine.json'),
    groupsOfOthers: join(own, 'groups-of-others.json'),
    forgottenNames: join(own, 'forgotten-names.json'),
    lock: join(own, 'lock'),
    unfinished: join(own, 'unfinished'),
    catalog: join(own, 'catalog.db'),
    shards: join(own, 'shards'),
    catalogCopies: join(own, 'catalog-copies'),
    rebuilding: join(own, 'rebuilding.json'),
    journal: join(own, 'journal'),
    quarantine: join(own, 'quarantine'),
    forgotten: join(own, 'forgotten'),
    reserve: join(own, 'reserve'),
    gcRecord: join(own, 'gc.json'),
    log: join(own, 'daemon.log'),
  };
}
